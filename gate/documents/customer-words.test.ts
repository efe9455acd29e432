import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkoutDir as root } from "../../stack/paths.ts";
import { customerWords, customerWordsIn } from "./customer-words.ts";

/** What knows no customer. */
const GENERAL = [
  "*.md",
  "docs",
  "supabase/schemas",
  "supabase/tests",
];

/** But for what is there for one. */
const OF_THE_FLEET = [
  "CHANGELOG.md",
  "docs/contract.md",
  "docs/fleet.md",
  "docs/http-api.md",
  "docs/incidents.md",
  "docs/openapi.json",
  "shared/",
  "supabase/schemas/85_fleet/",
  "supabase/schemas/91_grants/rights_of_the_fleet.sql",
  "supabase/tests/001_fleet_words.test.sql",
  "supabase/tests/fleet/",
];

test("no word of a customer stands outside what is the customer's", () => {
  expect(customerWords(root, GENERAL, OF_THE_FLEET)).toEqual([]);
});

test("the words cover every type that is shipped", () => {
  const file = "supabase/schemas/85_fleet/01_types_and_settings.sql";
  const row = /^ {2}\('([^']+)', '[a-z]+', '[a-z]+', .+\),?$/gm;
  const types = [...readFileSync(join(root, file), "utf8").matchAll(row)]
    .map(([, name = ""]) => name)
    .filter((name) => name !== "test");
  expect(types.length).toBeGreaterThan(50);
  expect(types.filter((name) => customerWordsIn(name).length === 0))
    .toEqual([]);
});

test("a word is found by its line, whatever stands around it", () => {
  const text = "select 1;\n-- the finalStitch\nselect my_travel_segment;";
  expect(customerWordsIn(text)).toEqual([
    "2: Stitch",
    "3: travel",
    "3: segment",
  ]);
});
