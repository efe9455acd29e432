import { expect, it } from "vitest";
import { differences, type Entry } from "./differences.ts";

const ENTRIES: Entry[] = [
  { title: "function fairlane_core.now()", text: "as $$\n  select 1;\n$$" },
  { title: "relation tasks", text: "r | fillfactor=85" },
];
const SIDES = { left: "migrations", right: "schemas" };

it("differences() finds none between a database and itself, in any order", () => {
  const turned = ENTRIES.toReversed();
  expect(differences(ENTRIES, turned, SIDES)).toEqual([]);
});

it("differences() shows the lines that differ, by side", () => {
  const changed = ENTRIES.map(({ title, text }) => ({
    title,
    text: text.replace("1", "2"),
  }));
  expect(differences(ENTRIES, changed, SIDES)).toEqual([
    "Different: function fairlane_core.now()\n  migrations:   select 1;\n  schemas:   select 2;",
  ]);
});

it("differences() finds what only one side has, and lines in another order", () => {
  expect(differences(ENTRIES.slice(1), ENTRIES, SIDES))
    .toEqual(["Only in schemas: function fairlane_core.now()"]);
  const [a, b] = ["x\ny", "y\nx"].map((text) => [{ title: "view", text }]);
  expect(differences(a ?? [], b ?? [], SIDES)).toHaveLength(1);
});
