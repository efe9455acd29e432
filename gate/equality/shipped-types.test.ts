import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const SCHEMA = "schemas/0503_fleet_task_types.sql";
const MIGRATION = "migrations/20261130300100_fleet_task_types.sql";
const MARKS = "migrations/20261130933000_types_on_own_gpu.sql";

test("the migration brings the types that the schema file ships", () => {
  expect(rows(SCHEMA).length).toBeGreaterThan(50);
  expect(rows(MIGRATION)).toEqual(rows(SCHEMA));
});

test("the migration marks the types that run on their owners' GPUs, as the schema file does", () => {
  expect(marked(SCHEMA).length).toBeGreaterThan(5);
  expect(marked(MARKS)).toEqual(marked(SCHEMA));
});

test("no type is shipped twice", () => {
  const names = rows(SCHEMA).map((row) => row.split(",")[0]);
  expect(new Set(names).size).toBe(names.length);
});

/** The names after the words that mark them. */
function marked(path: string): string[] {
  const [, after = ""] = read(path).split(
    / in array array\[| and y.name in \(/,
  );
  return [...(after.split(/[\])]/)[0] ?? "").matchAll(/'(\w+)'/g)]
    .map(([, name = ""]) => name);
}

/** Rows like `('flux', 'gpu', 'generation', 'image', true)`, in their order. */
function rows(path: string): string[] {
  const row = /^ {2}\(('.+', (?:true|false))\),?$/gm;
  return [...read(path).matchAll(row)].map(([, columns = ""]) => columns);
}

function read(path: string): string {
  const file = new URL(`../../supabase/${path}`, import.meta.url);
  return readFileSync(file, "utf8");
}
