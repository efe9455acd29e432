import { describe, expect, test } from "vitest";
import { UnusedFieldCounter } from "./note-unused-fields.ts";

describe("UnusedFieldCounter", () => {
  test("hands over what it has counted at most once a minute", () => {
    const counter = new UnusedFieldCounter();
    expect(counter.count(["a", "b"], 0)).toEqual({ a: 1, b: 1 });
    expect(counter.count(["a"], 1)).toBeUndefined();
    expect(counter.count(["a", "c"], 59_999)).toBeUndefined();
    expect(counter.count([], 60_000)).toEqual({ a: 2, c: 1 });
    expect(counter.count(["a"], 60_001)).toBeUndefined();
  });

  test("has nothing to say when all is used", () => {
    expect(new UnusedFieldCounter().count([], 0)).toBeUndefined();
  });

  test("keeps to fifty names, none of them long", () => {
    const counter = new UnusedFieldCounter();
    const names = Array.from({ length: 60 }, (_, index) => `field_${index}`);
    const counts = counter.count(["x".repeat(64), ...names], 0);
    expect(Object.keys(counts ?? {})).toEqual(names.slice(0, 50));
  });
});
