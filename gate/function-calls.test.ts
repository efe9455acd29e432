import { describe, expect, it } from "vitest";
import { sumOf } from "./function-calls.ts";

const count = (name: string, calls: number, callsOverHttp: number) => ({
  name,
  isApi: true,
  calls,
  callsOverHttp,
});

describe("sumOf()", () => {
  it("adds up what each stack has counted", () => {
    expect(sumOf([
      [count("claim_next_task", 5, 0), count("health", 0, 0)],
      [count("claim_next_task", 2, 2), count("health", 1, 1)],
    ])).toEqual([count("claim_next_task", 7, 2), count("health", 1, 1)]);
  });

  it("is nothing without a stack", () => {
    expect(sumOf([])).toEqual([]);
  });
});
