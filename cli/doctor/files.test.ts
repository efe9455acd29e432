import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { withFunction } from "../config-block.ts";
import { readProject } from "../project.ts";
import { examineFiles } from "./files.ts";

const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true });
});

const MIGRATIONS = "supabase/migrations";
const FUNCTION = "supabase/functions/fairlane";
const CONFIG = 'project_id = "app"\n\n[api]\nschemas = ["public"]\n';

/** A project that has the queue, in version 1.2.3. */
const INSTALLED: Readonly<Record<string, string>> = {
  [`${MIGRATIONS}/20250101000000_app.sql`]: "create schema app;",
  [`${MIGRATIONS}/20260101000000_fairlane_0001_schema.sql`]:
    "create schema fairlane;",
  [`${MIGRATIONS}/20260101000001_fairlane_jobs.sql`]: "select 1;",
  [`${FUNCTION}/index.js`]:
    "// Fairlane 1.2.3, written by `fairlane init`. Do not edit: `fairlane upgrade` replaces it.\n",
  [`${FUNCTION}/deno.json`]: "{}",
  [`${FUNCTION}/deno.lock`]: "{}",
  "supabase/config.toml": withFunction(CONFIG, "app"),
};

/** The codes of what is found in a project with these files. */
function codes(files: Readonly<Record<string, string>>): string[] {
  return examine(files).map(({ severity, code }) => `${severity} ${code}`);
}

function examine(files: Readonly<Record<string, string>>) {
  const root = mkdtempSync(join(tmpdir(), "doctor "));
  roots.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const { findings } = examineFiles(readProject(root), "1.2.3");
  for (const { remedy } of findings) expect(remedy).not.toBe("");
  return findings;
}

/** The installed project with other texts; those of undefined are gone. */
function changed(files: Readonly<Record<string, string | undefined>>) {
  return Object.fromEntries(
    Object.entries({ ...INSTALLED, ...files })
      .filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

const config = (text: string) => ({ "supabase/config.toml": text });
const migration = (name: string, text = "select 1;") => ({
  [`${MIGRATIONS}/${name}.sql`]: text,
});

describe("a project without the queue", () => {
  it("is told how to get it", () => {
    expect(examine({ ...config(CONFIG) }))
      .toMatchObject([{ code: "not-installed", remedy: "npx fairlane init" }]);
    expect(codes({})).toEqual(["note not-installed"]);
  });

  it("is one again after a removal", () => {
    const files = {
      ...changed({}),
      ...migration("20260202000000_fairlane_uninstall"),
    };
    expect(codes(files)).toEqual([
      "note not-installed",
      "warning function-left",
    ]);
  });

  it("may get it again", () => {
    const files = {
      ...changed({}),
      ...migration("20260202000000_fairlane_uninstall"),
      ...migration("20260303000000_fairlane_0001_schema"),
    };
    expect(codes(files)).toEqual([]);
  });

  it("may have a function of that name", () => {
    expect(codes({ [`${FUNCTION}/index.ts`]: "Deno.serve();" }))
      .toEqual(["note not-installed", "error function-taken"]);
  });
});

describe("a migration of the app", () => {
  it.each([
    "create schema fairlane;",
    'CREATE SCHEMA IF NOT EXISTS "fairlane_core";',
    "/* ours */ alter schema\n  fairlane rename to x;",
  ])("must not have the names of the queue: %s", (text) => {
    const found = examine(migration("20250101000000_app", text));
    expect(found).toMatchObject([{}, { code: "schema-taken" }]);
    expect(found[1]?.what).toContain("20250101000000_app.sql");
  });

  it.each([
    "create schema fairlanes; create schema my_fairlane;",
    'create schema "fairlane-x";',
    "-- create schema fairlane;\n/* create schema fairlane; */",
    "create view public.v as select * from fairlane.tasks;",
  ])("may say: %s", (text) => {
    expect(codes(migration("20250101000000_app", text)))
      .toEqual(["note not-installed"]);
  });

  it("must not have the time of one of ours", () => {
    const found = examine(changed(migration("20260101000000_app_too")));
    expect(found).toMatchObject([{ code: "stamp-taken", severity: "error" }]);
    expect(found[0]?.what).toContain("20260101000000_app_too.sql");
  });
});

describe("a project with the queue", () => {
  it("is fine as init leaves it", () => {
    expect(codes(INSTALLED)).toEqual([]);
  });

  it("needs all migrations, in their order", () => {
    const first = `${MIGRATIONS}/20260101000000_fairlane_0001_schema.sql`;
    expect(codes(changed({ [first]: undefined })))
      .toEqual(["error migrations-incomplete"]);
    expect(codes(changed(migration("20260301000000_fairlane_0003_more"))))
      .toEqual(["error migrations-incomplete"]);
    expect(codes(changed({
      [first]: undefined,
      ...migration("20260901000000_fairlane_0001_schema"),
    }))).toEqual(["error migrations-incomplete"]);
    expect(codes(changed(migration("20260301000000_fairlane_0002_more"))))
      .toEqual([]);
  });

  it("needs the function, in the version of the package", () => {
    const index = `${FUNCTION}/index.js`;
    const [deno, lock] = [`${FUNCTION}/deno.json`, `${FUNCTION}/deno.lock`];
    const of = (version: string) =>
      INSTALLED[index]?.replace("1.2.3", version) ?? "";
    const none = { [index]: undefined, [deno]: undefined, [lock]: undefined };
    expect(codes(changed(none))).toEqual(["warning function-missing"]);
    expect(codes(changed({ [deno]: undefined })))
      .toEqual(["warning function-missing"]);
    expect(codes(changed({ [index]: "Deno.serve();" })))
      .toEqual(["error function-taken"]);
    expect(codes(changed({ [index]: of("1.2.2") })))
      .toEqual(["warning function-too-old"]);
    expect(codes(changed({ [index]: of("1.10.0") })))
      .toEqual(["warning package-too-old"]);
  });
});

describe("config.toml", () => {
  const whole = INSTALLED["supabase/config.toml"] ?? "";
  it.each([
    ["warning config-block-missing", CONFIG],
    ["error verify-jwt-on", whole.replace("verify_jwt = false", "")],
    ["error verify-jwt-on", whole.replace("_jwt = false", "_jwt = true")],
    [
      "error function-disabled",
      whole.replace("enabled = true", "enabled = false"),
    ],
    ["warning config-block-differs", whole.replace("index.js", "index.ts")],
    ["note schema-exposed", whole.replace('"public"', '"public", "fairlane"')],
    ["error core-exposed", whole.replace('"public"', '"fairlane_core"')],
  ])("is read: %s", (expected, text) => {
    expect(codes(changed(config(text)))).toEqual([expected]);
  });

  it("may be missing, or be no TOML, which is not repeated", () => {
    expect(codes(changed({ "supabase/config.toml": undefined })))
      .toEqual(["warning config-block-missing"]);
    const [found] = examine(changed(config('a = 1\nsecret = "s3cret\n')));
    expect(found).toMatchObject({ code: "config-unreadable" });
    expect(found?.what).toContain("line 2");
    expect(JSON.stringify(found)).not.toContain("s3cret");
  });
});
