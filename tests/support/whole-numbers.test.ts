import { expect, test } from "vitest";
import { wholeNumbers } from "./whole-numbers.ts";

test("wholeNumbers() reads what is there", () => {
  const [rounds = 3, tasks = 1000] = wholeNumbers(["rounds", "tasks"], ["5"]);
  expect([rounds, tasks]).toEqual([5, 1000]);
});

test.each(["0", "-1", "1.5", "", "NaN", "many", "1e3", "12345678901"])(
  "wholeNumbers() refuses %j",
  (text) => {
    expect(() => wholeNumbers(["rounds"], [text]))
      .toThrow("rounds must be a whole number of at least 1");
  },
);

test("wholeNumbers() refuses more than it knows", () => {
  expect(() => wholeNumbers(["rounds"], ["1", "2"])).toThrow("[rounds]");
});
