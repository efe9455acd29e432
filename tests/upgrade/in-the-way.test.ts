import { afterAll, beforeAll, describe, expect, it } from "vitest";
import postgres from "postgres";
import type { ThrowAwayDatabase } from "../../gate/equality/throw-away-database.ts";
import { applyMigrations } from "../support/old-database.ts";
import { oldDatabaseAtSize } from "./old-database-at-size.ts";

// What databases of that time had beside their tables: what is in the way of the upgrade is told, the rest stays.

let database: ThrowAwayDatabase;
let sql: postgres.Sql;

beforeAll(async () => {
  database = await oldDatabaseAtSize("in-the-way", 200);
  sql = postgres(database.url, { max: 1, onnotice: () => {} });
  await sql.unsafe(`
    delete from supabase_migrations.schema_migrations;
    create view public.orchestrator_status as
      select status, count(*) from public.tasks group by status;
    alter table public.tasks enable row level security;
    create policy anyone_reads_tasks on public.tasks for select using (true);
    create function public.is_over(p_status public.task_status) returns boolean
      language sql as $$ select p_status in ('Complete', 'Failed') $$;
    create function public.func_update_worker_heartbeat(worker_id_param text)
      returns void language sql as $$ select $$;
    create function public.complete_task(p_id uuid)
      returns void language sql as $$ select $$;
    create view public.failures as select id from public.tasks where status = 'Failed';
  `);
}, 300_000);
afterAll(async () => {
  await sql?.end();
  await database?.discard();
});

describe("an upgrade of a database with views, policies and functions", () => {
  it("stops before its first change, where somebody has to decide", async () => {
    await expect(applyMigrations(database.url)).rejects.toThrow(
      /view public.failures uses column public.tasks.status/,
    );
    const schemas = await sql`
      select from pg_namespace where nspname = 'fairlane_core'
    `;
    expect(schemas).toHaveLength(0);
  });

  it("leaves policies that are not the queue's", async () => {
    await sql`drop view public.failures`;
    await applyMigrations(database.url);
    const policies = await sql`
      select policyname as name from pg_policies
      where schemaname = 'public' and tablename = 'tasks' order by 1
    `;
    expect(policies.map(({ name }) => name)).toEqual([
      "anyone_reads_tasks",
      "owners_enqueue_tasks",
      "owners_read_tasks",
    ]);
  });

  it("replaces the fleet's own functions and views, and leaves others", async () => {
    const functions = await sql`
      select p.oid::regprocedure::text as name from pg_proc as p
      where p.pronamespace = 'public'::regnamespace
        and p.proname in ('func_update_worker_heartbeat', 'is_over', 'complete_task') order by 1
    `;
    expect(functions.map(({ name }) => name)).toEqual([
      "complete_task(jsonb,uuid,text,text,jsonb,uuid,text)",
      "complete_task(uuid)",
      "func_update_worker_heartbeat(json)",
      "is_over(task_status)",
    ]);
    const [status] = await sql`select * from public.orchestrator_status`;
    expect(status).toHaveProperty("queued_tasks");
  });
});
