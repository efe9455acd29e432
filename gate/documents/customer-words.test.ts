import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkoutDir as root } from "../../stack/paths.ts";
import {
  customerWords,
  customerWordsIn,
  wordsOfFile,
} from "./customer-words.ts";

/** What is there for one customer; everything else is for anybody. */
const OF_THE_FLEET = [
  // What its clients call and send, and what was told of them.
  "CHANGELOG.md",
  "docs/contract.md",
  "docs/fleet.md",
  "docs/http-api.md",
  "docs/incidents.md",
  "docs/openapi.json",
  "shared/",
  "supabase/functions/",
  // Its part of the database, as it is read and as it ships.
  "supabase/schemas/85_fleet/",
  "supabase/schemas/91_grants/rights_of_the_fleet.sql",
  "supabase/migrations/",
  // Its jobs, played.
  "demo/",
  "supabase/seed.sql",
  // Its tests, its databases of before, and how it says what tests mean.
  "supabase/tests/001_fleet_words.test.sql",
  "supabase/tests/fleet/",
  "tests/fleet/",
  "tests/incidents/",
  "tests/support/fleet",
  "tests/support/old-rows.ts",
  "tests/upgrade/",
  // This list.
  "gate/documents/customer-words",
];

test("no word of a customer stands outside what is the customer's", () => {
  expect(customerWords(root, OF_THE_FLEET)).toEqual([]);
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

test("a deployed endpoint may be named, but not by the core", () => {
  const text = "get-completed-segments, update_shot_pair_prompts";
  expect(wordsOfFile("tests/e2e/http.test.ts", text)).toEqual([]);
  expect(wordsOfFile("supabase/schemas/90_api/a.sql", text)).toHaveLength(2);
});

test("a word is found by its line, whatever stands around it", () => {
  const text = "select 1;\n-- the finalStitch\nselect my_travel_segment;";
  expect(customerWordsIn(text)).toEqual([
    "2: Stitch",
    "3: travel",
    "3: segment",
  ]);
});
