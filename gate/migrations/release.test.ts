import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { checkoutDir } from "../../stack/paths.ts";
import { changeSchemas, copyToRelease } from "./example-release.ts";
import { generatedMigrations, staleMigrations } from "./generated.ts";
import { guestMigration } from "./guest.ts";
import { release } from "./release.ts";

const DAY = new Date("2031-02-03T04:05:06Z");
let root: string;
beforeEach(() => {
  root = copyToRelease(checkoutDir);
});
afterEach(() => rmSync(root, { recursive: true }));

function migrations(): string[] {
  return readdirSync(join(root, "supabase", "migrations")).sort();
}

const GUESTS = join("cli", "assets", "migrations");

/** Those that the package carries and that are in order. */
function forGuests(): string[] {
  return readdirSync(join(root, GUESTS)).filter((name) => /^\d/.test(name))
    .sort();
}

function read(...path: string[]): string {
  return readFileSync(join(root, ...path), "utf8");
}

it("the first release gives the first set its version, and closes it", () => {
  const before = migrations();
  release(root, "1.0.0", DAY);
  expect(migrations()).toEqual(before);
  expect(staleMigrations(root)).toEqual([]);
  expect(generatedMigrations(root)).toEqual([]);
  expect(read("supabase", "migrations", "20261130001000_functions.sql"))
    .toContain("select '1.0.0';");
  for (const path of ["package.json", "package-lock.json"]) {
    expect(read(path)).toContain('"version": "1.0.0"');
  }
  expect(read("CHANGELOG.md")).toContain("\n## [1.0.0] - 2031-02-03\n");
  expect(forGuests()).toEqual(["0001_schema.sql"]);
  expect(read(GUESTS, "0001_schema.sql")).toBe(guestMigration(root));
});

it("a release before 1.0.0 writes the first set anew as well", () => {
  const before = migrations();
  release(root, "0.2.0", DAY);
  expect(migrations()).toEqual(before);
  expect(staleMigrations(root)).toEqual([]);
  expect(read("supabase", "migrations", "20261130001000_functions.sql"))
    .toContain("select '0.2.0';");
  expect(forGuests()).toEqual([]);
});

it("what changes later is one more migration, which the release names", () => {
  release(root, "1.0.0", DAY);
  const closed = migrations().map((name) =>
    read("supabase", "migrations", name)
  );
  changeSchemas(root);
  expect(staleMigrations(root)).toEqual([
    expect.stringMatching(/^supabase.*_unreleased\.sql is out of date: /),
    expect.stringMatching(/^cli.*\b0002_unreleased\.sql is out of date: /),
  ]);
  for (const { path, text } of generatedMigrations(root)) {
    writeFileSync(join(root, path), text);
  }
  writeFileSync(
    join(root, "CHANGELOG.md"),
    read("CHANGELOG.md").replace("## [Unreleased]\n", "$&\n- A change.\n"),
  );

  release(root, "1.1.0", new Date(DAY.getTime() + 1000));
  const names = migrations();
  expect(names.at(-1)).toBe("20310203040507_v1_1_0.sql");
  expect(
    names.slice(0, -1).map((name) => read("supabase", "migrations", name)),
  ).toEqual(closed);
  expect(forGuests()).toEqual(["0001_schema.sql", "0002_v1_1_0.sql"]);
  const added = {
    public: read("supabase", "migrations", names.at(-1) ?? ""),
    fairlane: read(GUESTS, "0002_v1_1_0.sql"),
  };
  for (const [schema, text] of Object.entries(added)) {
    expect(text).toContain("select '1.1.0';");
    const replaced = text.match(/(?<=^create or replace function )[\w.]+/gm);
    expect(replaced?.toSorted()).toEqual([
      "fairlane_core.added",
      "fairlane_core.blocked_sum",
      "fairlane_core.version",
      `${schema}.explain_task`,
    ].toSorted());
  }
  expect(staleMigrations(root)).toEqual([]);
});

it.each([
  ["0.1.0", "after 0.1.0"],
  ["0.0.9", "after 0.1.0"],
  ["1.0", "three numbers"],
])("a release as %s is refused, and nothing changes", (version, reason) => {
  expect(() => release(root, version, DAY)).toThrow(reason);
  expect(staleMigrations(root)).toEqual([]);
});

it("a release is refused while the changelog says nothing of it", () => {
  release(root, "1.0.0", DAY);
  expect(() => release(root, "1.0.1", DAY)).toThrow("nothing under Unreleased");
});
