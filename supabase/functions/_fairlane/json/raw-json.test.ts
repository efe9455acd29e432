import { expect, test } from "vitest";
import { ApiError } from "../frame/api-error.ts";
import { RawJson, rawMember } from "./raw-json.ts";

const body = (value: string) => `{"task_id":"x","result_data":${value}}`;

test.each([
  '{"seed": 9007199254740993, "x": 1.0, "y": -0, "z": 1e400}',
  '{"__proto__": {"a": 1}, "a": 1, "a": 2}',
  '{"text": "1e99999", "quote": "\\""}',
])("rawMember() keeps the spelling of %s", (value) => {
  expect(rawMember(body(value), "result_data")).toEqual(new RawJson(value));
});

test("rawMember() replaces what Postgres cannot store", () => {
  expect(rawMember(body('{"a":"\\u0000\\ud800"}'), "result_data"))
    .toEqual(new RawJson('{"a":"\\ufffd\\ufffd"}'));
});

test.each(['{"a":1e99999}', '{"a":[1E-10000]}', `{"a":${"9".repeat(6000)}}`])(
  "rawMember() refuses a number that Postgres cannot store",
  (value) => {
    expect(() => rawMember(body(value), "result_data")).toThrow(ApiError);
  },
);

test.each(["null", undefined])("rawMember() reads %s as absent", (value) => {
  const text = value === undefined ? "{}" : body(value);
  expect(rawMember(text, "result_data")).toBeUndefined();
});

test.each([
  ["all digits", `{"a":${"1".repeat((1 << 20) - 8)}}`],
  ["too long", `{"a":"${"x".repeat(1 << 20)}"}`],
])("rawMember() refuses a megabyte that is %s", (_what, value) => {
  expect(() => rawMember(body(value), "result_data")).toThrow(ApiError);
});
