import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { checkoutDir } from "../../stack/paths.ts";
import { changeSchemas, copyToRelease } from "./example-release.ts";
import { generatedMigrations, staleMigrations } from "./generated.ts";
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
});

it("a release before 1.0.0 writes the first set anew as well", () => {
  const before = migrations();
  release(root, "0.2.0", DAY);
  expect(migrations()).toEqual(before);
  expect(staleMigrations(root)).toEqual([]);
  expect(read("supabase", "migrations", "20261130001000_functions.sql"))
    .toContain("select '0.2.0';");
});

it("what changes later is one more migration, which the release names", () => {
  release(root, "1.0.0", DAY);
  const closed = migrations().map((name) =>
    read("supabase", "migrations", name)
  );
  changeSchemas(root);
  const [unreleased, ...others] = generatedMigrations(root);
  expect(others).toEqual([]);
  expect(staleMigrations(root)).toEqual([
    expect.stringMatching(/_unreleased\.sql is out of date: /),
  ]);
  writeFileSync(join(root, unreleased?.path ?? ""), unreleased?.text ?? "");
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
  const added = read("supabase", "migrations", names.at(-1) ?? "");
  expect(added).toContain("select '1.1.0';");
  expect(added.match(/^create or replace function \S+(?=\()/gm)).toEqual([
    "create or replace function fairlane_core.added",
    "create or replace function fairlane_core.blocked_sum",
    "create or replace function fairlane_core.version",
    "create or replace function public.explain_task",
  ]);
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
