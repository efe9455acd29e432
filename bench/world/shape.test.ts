import { describe, expect, it } from "vitest";
import {
  blockedTasks,
  capacity,
  cappedUsers,
  ownerNumber,
  type Shape,
  short,
} from "./shape.ts";

const skewed: Shape = { backlog: 1_000, users: 10, distribution: "skew90" };
const capped: Shape = { ...skewed, distribution: "capped95" };
const even: Shape = { ...skewed, distribution: "even" };

describe("Shape", () => {
  it("gives capped users their share, the oldest", () => {
    expect([cappedUsers(even), blockedTasks(even)]).toEqual([0, 0]);
    expect([cappedUsers(skewed), blockedTasks(skewed)]).toEqual([1, 900]);
    expect([cappedUsers(capped), blockedTasks(capped)]).toEqual([5, 950]);
  });
  it("spreads the rest over the others", () => {
    expect(ownerNumber(even)).toBe("1 + m.i % 10");
    expect(ownerNumber(skewed))
      .toBe("case when m.i <= 900 then 1 + m.i % 1 else 2 + m.i % 9 end");
  });
  it("knows how many can be claimed before all are at a limit", () => {
    expect(capacity(even)).toBe(50);
    expect(capacity(skewed)).toBe(45);
    expect(capacity({ ...capped, users: 10_000 })).toBe(50);
    expect(capacity(skewed, 1)).toBe(9);
  });
});

describe("short()", () => {
  it("names sizes as people do", () => {
    expect([0, 10, 1_000, 100_000, 1_000_000].map(short))
      .toEqual(["0", "10", "1k", "100k", "1M"]);
  });
});
