import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ApiError } from "../frame/api-error.ts";
import {
  assertModest,
  elementTexts,
  MAX_DEPTH,
  MAX_VALUES,
  memberText,
} from "./json-scan.ts";

const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

describe("assertModest()", () => {
  test("accepts the deepest nesting allowed and refuses one more", () => {
    expect(() => assertModest(nested(MAX_DEPTH))).not.toThrow();
    expect(() => assertModest(nested(MAX_DEPTH + 1))).toThrow(ApiError);
  });

  test("refuses a bomb of millions of brackets at once", () => {
    expect(() => assertModest("[".repeat(16 << 20))).toThrow(ApiError);
    expect(() => assertModest(`[${"{},".repeat(MAX_VALUES)}1]`))
      .toThrow(ApiError);
  });

  test("does not count what is inside strings", () => {
    const text = '[{,"\\'.repeat(MAX_VALUES);
    expect(() => assertModest(JSON.stringify({ text }))).not.toThrow();
  });

  test("survives text that is not JSON", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => assertModest(text)).not.toThrow();
      }),
    );
  });
});

describe("memberText()", () => {
  test.each([
    ['{"a": {"seed": 9007199254740993} , "b":1}', '{"seed": 9007199254740993}'],
    ['{"b":{"a":2},"a":1.0}', "1.0"],
    ['{"a":1,"a":2}', "2"],
    ['{"\\u0061":"x,}\\"]"}', '"x,}\\"]"'],
    ['{"b":"a","c":["a",{"a":3}]}', undefined],
    ["{}", undefined],
    ['{ "a" : [ 1 , 2 ] }', "[ 1 , 2 ]"],
  ])("of %s", (json, text) => {
    expect(memberText(json, "a")).toBe(text);
  });

  test("finds what JSON.parse finds", () => {
    const key = fc.constantFrom("a", "b", 'c"', "__proto__", "a\\", "é");
    const json = fc.array(fc.tuple(key, fc.jsonValue())).chain((members) =>
      fc.constantFrom("", " ", "\n\t").map((space) =>
        `{${space}${
          members.map(([name, value]) =>
            JSON.stringify(name) + space + ":" + space +
            JSON.stringify(value, null, space)
          ).join(space + "," + space)
        }${space}}`
      )
    );
    fc.assert(
      fc.property(json, key, (text, name) => {
        const parsed: object = JSON.parse(text);
        const found = memberText(text, name);
        const isThere = Object.hasOwn(parsed, name);
        expect(found !== undefined).toBe(isThere);
        if (found === undefined) return;
        expect(JSON.parse(found))
          .toEqual(Object.getOwnPropertyDescriptor(parsed, name)?.value);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("elementTexts()", () => {
  test("finds what JSON.parse finds", () => {
    const json = fc.tuple(
      fc.array(fc.jsonValue()),
      fc.constantFrom("", " ", "\n\t"),
    );
    fc.assert(
      fc.property(json, ([values, space]) => {
        const text = JSON.stringify(values, null, space);
        expect(elementTexts(text).map((each) => JSON.parse(each)))
          .toEqual(JSON.parse(text));
      }),
    );
  });

  test("keeps the spelling of each", () => {
    expect(elementTexts(' [ {"a": [1.0, "],"]} , 9007199254740993 ] '))
      .toEqual(['{"a": [1.0, "],"]}', "9007199254740993"]);
    expect(elementTexts("[ ]")).toEqual([]);
  });
});
