import { describe, expect, it } from "vitest";
import { median, percentile } from "./statistics.ts";

describe("median()", () => {
  it("is the middle value, or the mean of the two", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 2, 100])).toBe(3);
  });
  it("is no number when there are no values", () => {
    expect(median([])).toBeNaN();
  });
});

describe("percentile()", () => {
  it("is the value below which the share lies", () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(percentile(values, 0.5)).toBe(51);
    expect(percentile(values, 0.99)).toBe(100);
    expect(percentile([7], 0.95)).toBe(7);
  });
});
