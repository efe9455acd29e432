import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkoutDir } from "../../stack/paths.ts";
import { destination } from "./destination.ts";
import { generatedMigrations } from "./generated.ts";
import { schemaStatements } from "./statements.ts";

const dir = join(checkoutDir, "supabase", "schemas");
const files = readdirSync(dir).filter((name) => name.endsWith(".sql"));

describe("the migrations that are written from the schema files", () => {
  it("are made of statements that together are each file", () => {
    for (const name of files) {
      const text = readFileSync(join(dir, name), "utf8");
      const statements = schemaStatements(text);
      expect(statements.map((one) => one.text).join("").trim(), name)
        .toBe(text.trim());
    }
  });

  it("hold every statement once, but for the old tables themselves", () => {
    const all = generatedMigrations(checkoutDir)
      .map(({ text }) => text.replaceAll("concurrently if not exists ", ""))
      .join("");
    const missing: string[] = [];
    for (const name of files) {
      const text = readFileSync(join(dir, name), "utf8");
      for (const statement of schemaStatements(text)) {
        const count = all.split(statement.text.trim()).length - 1;
        const isTable = destination(name, statement) === null;
        if (count < 1 !== isTable) missing.push(`${count} x ${statement.code}`);
      }
    }
    expect(missing).toEqual([]);
  });

  it.each([
    ["0014_function_lock_tables.sql", "create function f();", "schema"],
    ["0102_table_task_types.sql", "create table t ();", "tables"],
    ["0103_table_tasks.sql", "create table t ();", null],
    ["0103_table_tasks.sql", "create index i on t (a);", "indexes_before_swap"],
    [
      "0103_table_tasks.sql",
      "create index i on t (a) where status = 'Complete';",
      "indexes_after_swap",
    ],
    ["0103_table_tasks.sql", "comment on table t is 'a';", "swap"],
    ["0103_table_tasks.sql", "revoke all on table public.t from a;", "rights"],
    [
      "0102_table_task_types.sql",
      "grant select on table public.t to a;",
      "rights",
    ],
    [
      "0102_table_task_types.sql",
      "revoke all on table public.t from a;",
      "tables",
    ],
    [
      "0111_table_user_slots.sql",
      "grant select on table queue.t to a;",
      "tables",
    ],
    [
      "0400_function_f.sql",
      "grant execute on function public.f() to a;",
      "functions",
    ],
    ["0211_function_f.sql", "create function f();", "functions"],
    ["0211_function_f.sql", "create trigger t before insert;", "triggers"],
    ["0500_cron_jobs.sql", "select 1;", "bucket_and_schedule"],
    ["0503_fleet_task_types.sql", "insert into t values (1);", "tables"],
  ])("take from %s: %s", (file, code, expected) => {
    expect(destination(file, { text: code, code })).toBe(expected);
  });
});
