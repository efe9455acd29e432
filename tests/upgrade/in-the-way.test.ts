import { afterAll, beforeAll, describe, expect, it } from "vitest";
import postgres from "postgres";
import type { ThrowAwayDatabase } from "../../gate/equality/throw-away-database.ts";
import { applyMigrations, applyUpTo } from "../support/old-database.ts";
import { oldDatabaseAtSize } from "./old-database-at-size.ts";

// What databases of that time had beside their tables.

let database: ThrowAwayDatabase;
let sql: postgres.Sql;

beforeAll(async () => {
  database = await oldDatabaseAtSize("in-the-way", 200);
  sql = postgres(database.url, { max: 1, onnotice: () => {} });
  await sql.unsafe(`
    create view public.orchestrator_status as
      select status, count(*) from public.tasks group by status;
    alter table public.tasks enable row level security;
    create policy anyone_updates_queued_tasks on public.tasks
      for update using (status = 'Queued');
    create policy anyone_reads_tasks on public.tasks for select using (true);
    create function public.is_over(p_status public.task_status) returns boolean
      language sql as $$ select p_status in ('Complete', 'Failed') $$;
    create function public.func_update_worker_heartbeat(worker_id_param text)
      returns void language sql as $$ select $$;
  `);
}, 300_000);
afterAll(async () => {
  await sql?.end();
  await database?.discard();
});

describe("an upgrade of a database with views, policies and functions", () => {
  it("stops before it has changed a row, where somebody has to decide", async () => {
    await sql`
      create view public.failures as
        select id from public.tasks where status = 'Failed'
    `;
    await expect(applyMigrations(database.url)).rejects.toThrow(
      /use public.tasks.status, which is to become text: view failures/,
    );
    const columns = await sql`
      select from information_schema.columns
      where table_name = 'tasks' and column_name = 'user_id'
    `;
    expect(columns).toHaveLength(0);
  });

  it("keeps its policies until the rules are there, but for one that asks for the enum", async () => {
    // It goes on where it stopped.
    await sql`drop view public.failures`;
    await applyUpTo(database.url, "20261130001000");
    expect(await policies()).toEqual(["anyone_reads_tasks"]);
  });

  it("replaces those that the queue brings itself, and leaves other functions", async () => {
    await applyMigrations(database.url);

    expect(await policies())
      .toEqual(["owners_enqueue_tasks", "owners_read_tasks"]);
    const functions = await sql`
      select p.oid::regprocedure::text as name from pg_proc as p
      where p.proname in ('func_update_worker_heartbeat', 'is_over') order by 1
    `;
    expect(functions.map(({ name }) => name))
      .toEqual([
        "func_update_worker_heartbeat(json)",
        "is_over(task_status)",
      ]);
    const [status] = await sql`select * from public.orchestrator_status`;
    expect(status).toHaveProperty("queued_tasks");
  });

  async function policies(): Promise<unknown[]> {
    const found = await sql`
      select policyname as name from pg_policies
      where schemaname = 'public' and tablename = 'tasks' order by 1
    `;
    return found.map(({ name }) => name);
  }
});
