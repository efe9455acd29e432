import { describe, expect, test } from "vitest";
import { isMomentary, pauseAfter } from "./retry.ts";

describe("pauseAfter()", () => {
  test("doubles from half a second to 20 seconds", () => {
    const pauses = [1, 2, 3, 4, 5, 6, 7, 20].map((n) => pauseAfter(n, () => 0));
    expect(pauses)
      .toEqual([500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
  });

  test("takes up to half of it away at random", () => {
    expect(pauseAfter(1, () => 0.5)).toBe(375);
    expect(pauseAfter(1, () => 0.999)).toBeCloseTo(250, 0);
  });

  test("is never shorter than Retry-After", () => {
    expect(pauseAfter(1, () => 0.999, 30_000)).toBeGreaterThan(30_000);
  });
});

describe("isMomentary()", () => {
  test.each([408, 425, 429, 500, 502, 503, 504, 520, 546])(
    "%i is worth another try when it is not the queue's own",
    (status) => expect(isMomentary(status)).toBe(true),
  );
  test.each([400, 401, 403, 404, 409, 413])("%i is not", (status) => {
    expect(isMomentary(status)).toBe(false);
  });
});
