import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { migrationFiles } from "../../support/old-database.ts";
import { applyMigrations } from "../../support/old-database.ts";
import {
  documentedRestore,
  emptyDatabase,
  hasPgDump,
  migratedDatabase,
  runCommands,
  runProgram,
  type TestDatabase,
  usedDatabase,
} from "./databases.ts";
import {
  defaultsOf,
  grantsOf,
  jobsOf,
  rowsOf,
  SOUND,
  soundnessOf,
  worksAgain,
} from "./state.ts";

const SCHEMAS = ["--schema=public", "--schema=fairlane_core"];
const why = hasPgDump ? "" : " (skipped: there is no pg_dump for this server)";

describe.skipIf(!hasPgDump)(`a dump of a used queue${why}`, () => {
  const dir = mkdtempSync(join(tmpdir(), "restore-"));
  let source: TestDatabase;
  let target: TestDatabase;

  beforeAll(async () => {
    source = await usedDatabase("source");
  });
  afterEach(() => target?.discard());
  afterAll(async () => {
    await source?.discard();
    rmSync(dir, { recursive: true, force: true });
  });

  it("restores into an empty project, whole", async () => {
    const file = await dump("full", [
      ...SCHEMAS,
      "--schema=supabase_migrations",
    ]);
    target = await emptyDatabase("into-empty");
    const generous = await defaultsOf(target.sql);
    await restore(file);
    expect(await rebuild())
      .toMatchObject({ drift: 0, owners_repaired: 0, wide_grants: [] });

    expect(await grantsOf(target.sql)).toEqual(await grantsOf(source.sql));
    // As they were: the app's next table is given what it always was.
    expect(generous.length).toBeGreaterThan(0);
    expect(await defaultsOf(target.sql)).toEqual(generous);

    expect(await rowsOf(target.sql)).toEqual(await rowsOf(source.sql));
    expect(await jobsOf(target.sql)).toEqual(await jobsOf(source.sql));
    expect(await soundnessOf(target.sql)).toEqual(SOUND);
    // The CLI knows what is there, and has nothing to do.
    await applyMigrations(target.url);
    const [applied] = await target.sql`
      select count(*)::integer as count from supabase_migrations.schema_migrations
    `;
    expect(applied).toEqual({ count: migrationFiles().length });
    expect(await worksAgain(target.sql))
      .toEqual({ status: "Complete", ...SOUND });
  });

  it("restores its schema alone, which then is an empty queue", async () => {
    const file = await dump("schema", ["--schema-only", ...SCHEMAS]);
    const types = await dump("types", [
      "--data-only",
      "--table=public.task_types",
      "--table=fairlane_core.settings",
    ]);
    target = await emptyDatabase("schema-only");
    await restore(file);
    await restore(types);
    expect(await rebuild()).toMatchObject({ drift: 0, wide_grants: [] });

    expect(await grantsOf(target.sql)).toEqual(await grantsOf(source.sql));
    expect(await jobsOf(target.sql)).toEqual(await jobsOf(source.sql));
    for (const table of ["public.task_types", "fairlane_core.settings"]) {
      expect((await rowsOf(target.sql))[table])
        .toEqual((await rowsOf(source.sql))[table]);
    }
    await target.sql`
      with owner as (
        insert into public.users (id, credits) values (gen_random_uuid(), 9) returning id
      ),
      project as (
        insert into public.projects (user_id, name) select o.id, 'P' from owner as o returning id
      )
      insert into public.tasks (task_type, project_id)
      select 'travel_segment', p.id from project as p
    `;
    expect(await worksAgain(target.sql))
      .toEqual({ status: "Complete", ...SOUND });
  });

  it("restores its rows into a project that was just migrated", async () => {
    const file = await dump("data", ["--data-only", ...SCHEMAS]);
    target = await migratedDatabase("data-only");
    await target.sql`select fairlane_core.begin_restore()`;
    await restore(file);
    expect(await health(target)).toEqual(["RESTORE_UNFINISHED"]);
    expect(await rebuild())
      .toMatchObject({ drift: 0, owners_repaired: 0, wide_grants: [] });

    expect(await grantsOf(target.sql)).toEqual(await grantsOf(source.sql));
    expect(await rowsOf(target.sql)).toEqual(await rowsOf(source.sql));
    expect(await jobsOf(target.sql)).toEqual(await jobsOf(source.sql));
    expect(await worksAgain(target.sql))
      .toEqual({ status: "Complete", ...SOUND });
  });

  it("restored over generous defaults is reported, with what closes it", async () => {
    const file = await dump("opened", ["--schema-only", ...SCHEMAS]);
    target = await emptyDatabase("opened");
    await runCommands(
      `pg_restore --list ${file} | grep -v -e 'DEFAULT ACL' -e 'SCHEMA - public' > list &&
      pg_restore --exit-on-error --no-owner --use-list=list --dbname="$DB" ${file}`,
      { cwd: dir, database: target.url },
    );
    expect(await grantsOf(target.sql)).not.toEqual(await grantsOf(source.sql));

    const { wide_grants } = await rebuild() as { wide_grants: string[] };
    for (const statement of wide_grants) await target.sql.unsafe(statement);
    expect(await grantsOf(target.sql)).toEqual(await grantsOf(source.sql));
  });

  it("is not begun where there are tasks", async () => {
    await expect(source.sql`select fairlane_core.begin_restore()`).rejects
      .toThrow("This database has tasks");
    expect(await soundnessOf(source.sql)).toEqual(SOUND);
  });

  async function dump(name: string, options: string[]): Promise<string> {
    const file = join(dir, name);
    await runProgram("pg_dump", [
      "--format=custom",
      `--file=${file}`,
      ...options,
      source.url,
    ]);
    return file;
  }

  /** The very commands of docs/operations.md. */
  async function restore(file: string): Promise<void> {
    await runCommands(`${documentedRestore()}\nrestore '${file}'`, {
      cwd: dir,
      database: target.url,
    });
  }

  async function rebuild(): Promise<unknown> {
    const [row] = await target.sql`select fairlane_core.rebuild() as did`;
    return row?.["did"];
  }
});

async function health({ sql }: TestDatabase): Promise<string[]> {
  const [row] = await sql<{ codes: string[] }[]>`
    select array(
      select r ->> 'code'
      from json_array_elements(public.health('{"kind": "service"}') -> 'reasons') as r
      where r ->> 'code' not in ('JOB_LATE')
    ) as codes
  `;
  return row?.codes ?? [];
}
