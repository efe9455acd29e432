import { describe, expect, test } from "vitest";
import { readOptions, usage } from "./options.ts";

describe("readOptions()", () => {
  test("has a default for everything", () => {
    expect(readOptions([])).toEqual({
      speed: 20,
      users: 4,
      workers: 6,
      tasks: 80,
      seed: 1,
    });
  });

  test("takes both spellings of a value", () => {
    expect(readOptions(["--speed=2.5", "--seed", "7"]))
      .toMatchObject({ speed: 2.5, seed: 7 });
  });

  test("knows --help, also beside other options", () => {
    expect(readOptions(["--tasks", "20", "-h"])).toBe("help");
    expect(usage).toContain("--speed");
  });

  test.each([
    [["--speed", "0"], '--speed must be a number from 1 to 60, not "0"'],
    [["--users", "1"], '--users must be a whole number from 2 to 12, not "1"'],
    [["--tasks", "1e9"], "--tasks must be a whole number from 10 to 2000"],
    [["--workers", "many"], "--workers must be a whole number from 1 to 30"],
    [["--workers", "2.5"], 'from 1 to 30, not "2.5"'],
    [["--seed="], '--seed must be a whole number from 0 to 4294967295, not ""'],
    [["--sped", "3"], "Unknown option '--sped'"],
    [["fast"], "Unexpected argument 'fast'"],
    [["--speed"], "Option '--speed <value>' argument missing"],
  ])("refuses %j in one sentence", (args, words) => {
    expect(() => readOptions(args)).toThrow(words);
    expect(() => readOptions(args)).toThrow(/^[^\n]*$/);
  });
});
