import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const SCHEMA = "schemas/0503_fleet_task_types.sql";
const MIGRATION = "migrations/20261130300100_fleet_task_types.sql";

test("the migration brings the types that the schema file ships", () => {
  expect(rows(SCHEMA).length).toBeGreaterThan(50);
  expect(rows(MIGRATION)).toEqual(rows(SCHEMA));
});

test("no type is shipped twice", () => {
  const names = rows(SCHEMA).map((row) => row.split(",")[0]);
  expect(new Set(names).size).toBe(names.length);
});

/** Rows like `('flux', 'gpu', 'generation', 'image', true)`, in their order. */
function rows(path: string): string[] {
  const file = new URL(`../../supabase/${path}`, import.meta.url);
  const row = /^ {2}\(('.+', (?:true|false))\),?$/gm;
  return [...readFileSync(file, "utf8").matchAll(row)]
    .map(([, columns = ""]) => columns);
}
