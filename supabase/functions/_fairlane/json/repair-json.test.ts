import { describe, expect, test } from "vitest";
import { repairJson, writtenLength } from "./repair-json.ts";

/** The member `a` of the repaired body, as it is parsed. */
function read(source: string): unknown {
  return JSON.parse(repairJson(`{"a": ${source}, "b": 1}`)).a;
}

describe("repairJson()", () => {
  test.each([
    "{}",
    '{"a":"\\u0000\\ud83d\\\\","b":[1,-0,1.5e-7,true,null],"c":{"NaN":"NaN"}}',
    '{"seed":9007199254740993, "x" : 1.0}\n',
    "",
    "[",
    "nothing of the kind",
    "{'a': None}",
    '{"a": "open',
    "{a: yes}",
  ])("leaves %j as it is", (text) => {
    expect(repairJson(text)).toBe(text);
  });

  test.each([
    ["NaN", "NaN"],
    ["-Infinity", "-Infinity"],
    ["nan", "nan"],
    ["+Inf", "+Inf"],
    ["007", "007"],
    [".5", ".5"],
    ["1.", "1."],
    ["1e99999", "1e99999"],
    ["-1E-100000000000", "-1E-100000000000"],
    ["9".repeat(401), "9".repeat(401)],
    ["9".repeat(5000), "9".repeat(5000)],
    ['{"loss": NaN, "at": [Infinity, 1]}', {
      loss: "NaN",
      at: ["Infinity", 1],
    }],
  ])("reads %s as its text", (source, value) => {
    expect(read(source)).toEqual(value);
  });

  test.each([
    ['"a\nb\tc\0"', "a\nb\tc\0"],
    ['"\\x1b[0m C:\\users \\u12"', "\\x1b[0m C:\\users \\u12"],
    ['"\\\\n \\" NaN"', '\\n " NaN'],
  ])("reads the string %j", (source, value) => {
    expect(read(source)).toBe(value);
  });

  test("makes a text of a member that nests too deep or holds too much", () => {
    const deep = `${"[".repeat(103)}NaN${"]".repeat(103)}`;
    expect(read(deep)).toBe(deep);
    const wide = `[${"0,".repeat(230_000)}{"x":"\\"]"}]`;
    expect(read(wide)).toBe(wide);
    const half = `[${"0,".repeat(150_000)}0]`;
    const { a, b } = JSON.parse(repairJson(`{"a":${half},"b":${half}}`));
    expect([Array.isArray(a), b]).toEqual([true, half]);
  });

  test("takes no longer for 16 MiB of one kind than for a text", () => {
    for (const bit of ["[", "9", "\\", "\n", "{", '"', "-", ","]) {
      const text = `{"a":"${bit.repeat(1 << 20)}","b":${bit.repeat(1 << 20)}`;
      expect(repairJson(text).length).toBeGreaterThanOrEqual(1 << 20);
    }
  });
});

test.each([
  ["0", 1],
  ["-12.50", 6],
  ["1e400", 401],
  ["1.5e3", 4],
  ["1.5e-3", 6],
  ["12e-1", 3],
])("writtenLength() of %s is %i", (number, length) => {
  expect(writtenLength(number)).toBe(length);
});
