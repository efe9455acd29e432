import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

test("no type is shipped twice", () => {
  const file = "../../supabase/schemas/85_fleet/01_types_and_settings.sql";
  const text = readFileSync(new URL(file, import.meta.url), "utf8");
  const row = /^ {2}\('([^']+)', '[a-z]+', '[a-z]+', .+\),?$/gm;
  const names = [...text.matchAll(row)].map(([, name = ""]) => name);
  expect(names.length).toBeGreaterThan(50);
  expect(new Set(names).size).toBe(names.length);
});
