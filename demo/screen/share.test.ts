import { describe, expect, test } from "vitest";
import { share } from "./share.ts";

const wishes = [
  { wanted: 5, least: 3 },
  { wanted: 9, least: 4 },
  { wanted: Number.POSITIVE_INFINITY, least: 4 },
];

describe("share()", () => {
  test.each([
    [40, [5, 9, 26]],
    [19, [5, 9, 5]],
    [14, [5, 5, 4]],
    [11, [3, 4, 4]],
    [5, [3, 2, 0]],
    [0, [0, 0, 0]],
    [-3, [0, 0, 0]],
  ])("divides %i rows", (rows, given) => {
    expect(share(rows, wishes)).toEqual(given);
  });

  test("asks for no more than is wanted", () => {
    expect(share(10, [{ wanted: 1, least: 3 }])).toEqual([1]);
  });
});
