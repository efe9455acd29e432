import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

test("no type is shipped twice", () => {
  const file = "../../supabase/schemas/85_fleet/01_task_types.sql";
  const text = readFileSync(new URL(file, import.meta.url), "utf8");
  const row = /^ {2}\('([^']+)', .+\),?$/gm;
  const names = [...text.matchAll(row)].map(([, name = ""]) => name);
  expect(names.length).toBeGreaterThan(50);
  expect(new Set(names).size).toBe(names.length);
});
