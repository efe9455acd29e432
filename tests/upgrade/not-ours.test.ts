import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { describeCatalog } from "../../gate/equality/catalog.ts";
import { differences } from "../../gate/equality/differences.ts";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../../gate/equality/throw-away-database.ts";
import { query } from "../../gate/query.ts";
import { checkoutDir } from "../../stack/paths.ts";
import {
  applyMigrations,
  applyUpTo,
  migrationFiles,
} from "../support/old-database.ts";
import { pauseJobs } from "../support/pause-jobs.ts";
import { stack as freshStack } from "../support/stack.ts";
import {
  AUGUST,
  EMPTY,
  FIRST,
  HAS_JOBS,
  MADE_IN_PUBLIC,
  MADE_ON_TABLES,
  REFUSED,
} from "./not-ours.ts";

// What a project has in public under the queue's names and is not the queue's: the first file refuses it before anything is
// changed. All in one database, emptied in between, for a push that was refused has left nothing behind.

const SIDES = { left: "before", right: "after" };

describe("a push onto a project", () => {
  let database: ThrowAwayDatabase;
  const run = (sql: string) => query(database.url, sql);

  beforeAll(async () => {
    const workDir = join(checkoutDir, ".stack", "test-upgrade");
    database = await makeThrowAwayDatabase(workDir, "not-ours", true);
  }, 300_000);
  afterEach(async () => {
    const [row] = await query<{ has_jobs: boolean }>(database.url, HAS_JOBS);
    // A job in the middle of its work and the drops would want each other's tables.
    if (row?.has_jobs) await pauseJobs(database.adminUrl);
    await run(EMPTY);
  });
  afterAll(() => database?.discard());

  it.each(Object.entries(REFUSED))(
    "with %s is refused by name, with the way out, and changes nothing",
    async (_, [sql, says]) => {
      await run(sql);
      const refusal = await refused();
      for (const words of says) expect(refusal).toContain(words);
      expect(refusal).toMatch(
        /Nothing was changed.+Rename or drop.+guest profile/s,
      );
      // As many lines as there are things, and no others.
      expect(refusal.match(/^ *- /gm)).toHaveLength(says.length);
    },
  );

  it("with anything that the queue makes in public is refused by every name", async () => {
    const made = await madeIn(freshStack().dbUrl, MADE_IN_PUBLIC);
    expect(made.length).toBeGreaterThan(80);
    expect(await unnamed(made)).toEqual([]);
  });

  it("of August 2025 is refused by every name that its tables give to something else", async () => {
    await run(AUGUST);
    const there = await madeIn(database.url, MADE_ON_TABLES);
    const made = (await madeIn(freshStack().dbUrl, MADE_ON_TABLES))
      .filter(({ sql }) => there.every((one) => one.sql !== sql));
    expect(made.length).toBeGreaterThan(110);
    expect(await unnamed(made)).toEqual([]);
  });

  it("that it has been made onto before goes on, wherever it was cut", async () => {
    const forget = () =>
      run(
        `delete from supabase_migrations.schema_migrations where '${FIRST}' like version || '%'`,
      );
    for (const file of migrationFiles().filter((_, n) => n % 4 === 1)) {
      await applyUpTo(database.url, file);
      await forget();
    }
    expect(await applyMigrations(database.url)).toContain(FIRST);
    await forget();
    expect(await applyMigrations(database.url)).toContain(FIRST);
  });

  it("with other things leaves each of them as it was", async () => {
    await run(`
      create schema queue;
      create table queue.tasks (title text);
      create table public.notes (id bigint primary key, by_user uuid);
      create policy "own notes" on public.notes using (by_user = auth.uid());
      create function public.complete_task(p_id bigint) returns void language sql as 'select';
      create function public.health() returns text language sql as $$ select 'well' $$;
      create function public.create_api_token(p_id bigint) returns text language sql as $$ select 'mine' $$;
    `);
    const before = await describeCatalog(database.url);
    await applyMigrations(database.url);
    const after = await describeCatalog(database.url);
    const isNew = (one: string) => one.startsWith("Only in after: ");
    expect(differences(before, after, SIDES).filter((one) => !isNew(one)))
      .toEqual([]);
    await run("select public.health(), public.complete_task(1)");
    await run('select public.health(\'{"kind": "service"}\')');
  });

  function madeIn(url: string, sql: string): Promise<Made[]> {
    return query<Made>(url, sql);
  }

  /** Those that a push does not name, once they are all there as something else. */
  async function unnamed(made: readonly Made[]): Promise<Made[]> {
    await run(made.map(({ sql }) => sql).join(";\n"));
    const plain = (text: string) => ` ${text} `.replaceAll(/[,\s]+/g, " ");
    const refusal = plain(await refused());
    return made.filter(({ name }) => !refusal.includes(plain(name)));
  }

  /** What a push says, once it is clear that it has changed nothing. */
  async function refused(): Promise<string> {
    const before = await describeCatalog(database.url);
    const refusal = await applyMigrations(database.url).then(
      (output) => `Not refused: ${output}`,
      (error: Error) => error.message,
    );
    const after = await describeCatalog(database.url);
    expect(differences(before, after, SIDES)).toEqual([]);
    return refusal;
  }
});

interface Made {
  readonly name: string;
  /** Makes something else of that name. */
  readonly sql: string;
}
