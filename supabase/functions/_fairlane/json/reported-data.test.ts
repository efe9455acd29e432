import { expect, test } from "vitest";
import { RawJson } from "./raw-json.ts";
import { reportedData } from "./reported-data.ts";

const read = (value: string) =>
  reportedData(`{"task_id":"x","result_data":${value}}`, "result_data");

test.each(['{"seed": 9007199254740993, "x": 1.0}', '{"a": 1, "a": 2}'])(
  "reportedData() keeps the spelling of %s",
  (value) => {
    expect(read(value)).toEqual(new RawJson(value));
  },
);

test.each(['"done"', "[1, 2]", "7", "false"])(
  "reportedData() puts %s into an object",
  (value) => {
    expect(read(value)).toEqual(new RawJson(`{"result_data":${value}}`));
  },
);

test("reportedData() reads null and nothing as absent", () => {
  expect(read("null")).toBeUndefined();
  expect(reportedData("{}", "result_data")).toBeUndefined();
});

test("reportedData() keeps the ends and the length of what is too long", () => {
  const value = `{"first":"${"x".repeat(1 << 20)}\\u0000last"}`;
  const { result_data } = JSON.parse(read(value)?.text ?? "");
  expect(result_data).toMatch(/^\{"first":"x{60000}/);
  expect(result_data).toMatch(/x{16000}\\u0000last"\}$/);
  expect(result_data).toContain(`[cut: ${value.length} characters in all]`);
  expect(result_data.length).toBeLessThan(82_000);
});
