import { describe, expect, it } from "vitest";
import { checkoutDir } from "../../stack/paths.ts";
import { destination } from "./destination.ts";
import { generatedMigrations } from "./generated.ts";
import { schemaFiles, schemaStatements } from "./schema-files.ts";
import { terseStatement } from "./shares.ts";

const files = schemaFiles(checkoutDir);

describe("the migrations that are written from the schema files", () => {
  it("are made of statements that together are each file", () => {
    for (const { name, text } of files) {
      const statements = schemaStatements(text);
      expect(statements.map((one) => one.text).join("").trim(), name)
        .toBe(text.trim());
    }
  });

  it("hold every statement once, but for the old tables themselves", () => {
    // The first file has their names alone.
    const [, ...written] = generatedMigrations(checkoutDir, true);
    const all = written
      .map(({ text }) => text.replaceAll("concurrently if not exists ", ""))
      .join("");
    const wrong: string[] = [];
    for (const { name, text } of files) {
      for (const statement of schemaStatements(text)) {
        const place = destination(name, statement);
        const written = place === "functions"
          ? terseStatement(statement.text)
          : statement.text.trim();
        const count = all.split(written).length - 1;
        const expected = place === null ? 0 : place === "closing" ? 3 : 1;
        if (count !== expected) {
          wrong.push(`${count} x ${statement.code}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it.each([
    [
      "00_base/02_settings.sql",
      "create table fairlane_core.settings ();",
      "schema",
    ],
    ["10_tables/02_tasks.sql", "create table public.task_types ();", "tables"],
    ["10_tables/02_tasks.sql", "create table public.tasks ();", null],
    [
      "10_tables/02_tasks.sql",
      "create index i on public.tasks (a);",
      "indexes_before_swap",
    ],
    [
      "10_tables/02_tasks.sql",
      "create index i on public.tasks (a) where status = 'Complete';",
      "indexes_after_swap",
    ],
    [
      "10_tables/02_tasks.sql",
      "comment on column public.tasks.a is 'a';",
      "swap",
    ],
    [
      "10_tables/02_tasks.sql",
      "alter table public.tasks enable row level security;",
      "rights",
    ],
    [
      "10_tables/02_tasks.sql",
      "alter table public.task_types enable row level security;",
      "tables",
    ],
    [
      "10_tables/05_counters.sql",
      "create table fairlane_core.tasks ();",
      "tables",
    ],
    ["20_rules/a.sql", "create function fairlane_core.f();", "functions"],
    ["20_rules/a.sql", "create trigger t before insert;", "triggers"],
    ["85_fleet/a.sql", "create view public.tasks as;", "functions"],
    ["85_fleet/a.sql", "insert into public.task_types values (1);", "tables"],
    ["90_api/a.sql", "comment on function public.f() is 'a';", "functions"],
    [
      "91_grants/rights.sql",
      "revoke all on all tables in schema fairlane_core from a;",
      "closing",
    ],
    [
      "91_grants/rights.sql",
      "revoke all on table public.task_types from a;",
      "tables",
    ],
    [
      "91_grants/rights.sql",
      "revoke all on table\n  public.users, public.tasks from a;",
      "rights",
    ],
    [
      "91_grants/rights.sql",
      "grant select on table public.task_types to a;",
      "rights",
    ],
    [
      "91_grants/rights.sql",
      "create policy a on public.task_types for select;",
      "rights",
    ],
    ["95_jobs/a.sql", "select 1;", "bucket_and_schedule"],
  ])("take from %s: %s", (file, code, expected) => {
    expect(destination(file, { text: code, code })).toBe(expected);
  });
});
