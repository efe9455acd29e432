import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { DEPENDENTS as QUERY, UNINSTALL_SQL } from "../../cli/uninstall.ts";
import { describeCatalog } from "../../gate/equality/catalog.ts";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../../gate/equality/throw-away-database.ts";
import { guestMigration } from "../../gate/migrations/guest.ts";
import { query } from "../../gate/query.ts";
import { checkoutDir } from "../../stack/paths.ts";

/** What an app may hang on the queue, and what takes it away again. */
const DEPENDENTS: Readonly<Record<string, readonly [string, string]>> = {
  "view public.of_tasks": [
    "create view public.of_tasks as select id from fairlane.tasks",
    "drop view public.of_tasks",
  ],
  "constraint renders_task_id_fkey on table public.renders": [
    "create table public.renders (task_id uuid references fairlane.tasks)",
    "drop table public.renders",
  ],
  "trigger of_the_queue on table public.notes": [
    `create table public.notes (id bigint);
     create trigger of_the_queue before insert on public.notes
       for each row execute function fairlane_core.tasks_before_insert()`,
    "drop table public.notes",
  ],
  "policy of_owners on table public.notes": [
    `create table public.notes (id uuid);
     create policy of_owners on public.notes using (id in (select id from fairlane.owners))`,
    "drop table public.notes",
  ],
  "default value for column at of table public.notes": [
    "create table public.notes (at timestamptz default fairlane_core.now())",
    "drop table public.notes",
  ],
  "function public.read_task(fairlane.tasks)": [
    "create function public.read_task(fairlane.tasks) returns text language sql as 'select $1.params::text'",
    "drop function public.read_task",
  ],
  "function public.enqueue()": [
    "create function public.enqueue() returns void language plpgsql as 'begin perform fairlane_core.set_owner(null); end'",
    "drop function public.enqueue",
  ],
};

let database: ThrowAwayDatabase;
const run = (sql: string) => query<{ left: string }>(database.url, sql);
beforeAll(async () => {
  const workDir = join(checkoutDir, ".stack", "adopt");
  mkdirSync(workDir, { recursive: true });
  database = await makeThrowAwayDatabase(workDir, "uninstall", true);
  await run(guestMigration(checkoutDir));
}, 300_000);
afterAll(() => database?.discard());

it.each(Object.entries(DEPENDENTS))(
  "is refused for a %s, and changes nothing",
  async (name, [make, unmake]) => {
    await run(make);
    onTestFinished(async () => void await run(unmake));
    const before = await describeCatalog(database.url);
    await expect(run(UNINSTALL_SQL)).rejects.toThrow(name);
    expect(await describeCatalog(database.url)).toEqual(before);
  },
);

it("is not refused for a word that is like its name", async () => {
  await run(
    `create function public.motto() returns text language sql as $$ select 'In the fairlane. Always' $$`,
  );
  onTestFinished(async () => void await run("drop function public.motto"));
  expect(await run(QUERY)).toEqual([]);
});

it("takes both schemas and the jobs, and may be repeated", async () => {
  await query(database.adminUrl, "create extension if not exists pg_cron");
  await run(`
    select fairlane_core.schedule_jobs();
    select cron.schedule('of the app', '0 0 * * *', 'select 1');
  `);
  await run(UNINSTALL_SQL);
  await run(UNINSTALL_SQL);
  expect(
    await run(`
      select nspname as left from pg_namespace where nspname like 'fairlane%'
      union all
      select jobname from cron.job
    `),
  ).toEqual([{ left: "of the app" }]);
});
