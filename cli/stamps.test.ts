import { expect, it } from "vitest";
import { stampsAfter } from "./stamps.ts";

const NOW = new Date("2026-12-01T10:00:00Z");

function after(...stamps: string[]): string[] {
  const migrations = stamps.map((stamp) => ({
    file: `${stamp}_a.sql`,
    stamp,
    name: "a",
  }));
  return stampsAfter(migrations, NOW, 2);
}

it.each([
  ["the present", [], ["20261201100000", "20261201100001"]],
  [
    "the present, after older ones",
    ["20250101000000", "0003"],
    ["20261201100000", "20261201100001"],
  ],
  [
    "a second after the youngest, which is of the future",
    ["20270101235959", "20260101000000"],
    ["20270102000000", "20270102000001"],
  ],
  [
    "the next number after one that is no time",
    ["20279999999999"],
    ["20280000000000", "20280000000001"],
  ],
])("new migrations are named by %s", (_, present, expected) => {
  expect(after(...present)).toEqual(expected);
});
