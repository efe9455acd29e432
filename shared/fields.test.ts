import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  canonicalUuid,
  FreeText,
  JsonObject,
  name,
  optional,
  Uuid,
} from "./fields.ts";

const ID = "0f8fad5b-d9cb-469f-a165-70867728950e";

describe("canonicalUuid()", () => {
  test.each([
    ID,
    ID.toUpperCase(),
    `{${ID}}`,
    `urn:uuid:${ID}`,
    ID.replaceAll("-", ""),
    ` ${ID}\n`,
  ])("reads %j", (spelling) => {
    expect(canonicalUuid(spelling)).toBe(ID);
  });

  test("reads ids of no RFC version, which tests and imports use", () => {
    const id = "00000000-0000-0000-0000-0000000000a1";
    expect(canonicalUuid(id)).toBe(id);
  });

  test.each([
    "",
    "unknown_task_1767225600",
    `{${ID}`,
    `${ID}}`,
    ID.slice(1),
    `${ID}0`,
    ID.replace("0", "g"),
    ID.repeat(300),
    `${ID}\0`,
  ])("refuses %j", (text) => {
    expect(canonicalUuid(text)).toBeNull();
  });
});

describe("optional()", () => {
  const Body = z.object({ id: optional(Uuid) });
  test.each([{}, { id: null }, { id: undefined }])(
    "reads %j as absent",
    (body) => expect(Body.parse(body).id).toBeUndefined(),
  );
});

describe("FreeText", () => {
  const Body = z.object({ text: FreeText });
  test.each([
    [{}, undefined],
    [{ text: null }, undefined],
    [{ text: "" }, undefined],
    [{ text: "out of memory" }, "out of memory"],
    [{ text: "a\0b\ud800c" }, "a\uFFFDb\uFFFDc"],
    [{ text: 12 }, "12"],
    [{ text: false }, "false"],
    [{ text: { error: "x" } }, '{"error":"x"}'],
    [{ text: [1, null] }, "[1,null]"],
    [{ text: "😀" }, "😀"],
  ])("reads %j", (body, text) => {
    expect(Body.parse(body).text).toBe(text);
  });
});

describe("name()", () => {
  test("keeps 1 to max characters", () => {
    expect(name(3).safeParse("").success).toBe(false);
    expect(name(3).parse("abc")).toBe("abc");
    expect(name(3).safeParse("abcd").success).toBe(false);
    expect(name(3).safeParse(12).success).toBe(false);
  });
  test("replaces what Postgres cannot store", () => {
    expect(name(3).parse("a\0\udc00")).toBe("a\uFFFD\uFFFD");
  });
});

describe("JsonObject", () => {
  test("keeps a __proto__ member as data", () => {
    const value = JSON.parse('{"__proto__":{"polluted":true}}');
    expect(JsonObject.parse(value)).toBe(value);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
  test.each([[], "x", 1, null])("refuses %j", (value) => {
    expect(JsonObject.safeParse(value).success).toBe(false);
  });
});
