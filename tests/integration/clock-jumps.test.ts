import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import postgres from "postgres";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../../gate/equality/throw-away-database.ts";
import { checkoutDir } from "../../stack/paths.ts";
import { counterDrift } from "../support/drift.ts";
import { FakeClock, noFakeClock } from "../support/fake-clock.ts";
import { applyMigrations } from "../support/old-database.ts";
import { addTypes } from "../support/types-of-tests.ts";

const HOUR = 3600;
const SERVICE = '{"kind": "service"}';

/**
 * A clock under the database that jumps, by libfaketime. The rescue is called
 * as pg_cron would; who is alive beats in between.
 */
describe.skipIf(noFakeClock !== undefined)(
  `when the clock under the database jumps ${noFakeClock ?? ""}`.trim(),
  () => {
    let database: ThrowAwayDatabase;
    let sql: postgres.Sql;
    let clock: FakeClock;

    beforeAll(async () => {
      const workDir = join(checkoutDir, ".stack", "test-clock");
      mkdirSync(workDir, { recursive: true });
      clock = new FakeClock(join(workDir, "clock"));
      database = await makeThrowAwayDatabase(
        workDir,
        "database",
        true,
        { environment: clock.environment },
      );
      await applyMigrations(database.url);
      const admin = postgres(database.adminUrl, { max: 1 });
      await admin`select cron.alter_job(jobid, active := false) from cron.job`;
      await admin.end();
      await addTypes(database.url);
      sql = postgres(database.url, { max: 1, onnotice: () => {} });
      await sql`
        insert into public.users (id, credits, max_in_progress)
        values ('0c000000-0000-4000-8000-000000000001', 10, 100)
      `;
      await sql`
        insert into public.projects (id, user_id)
        select u.id, u.id from public.users as u
      `;
      // Silence counts from 100 s after the start of the database on.
      await minute();
      await minute();
      await minute();
    }, 300_000);
    afterAll(async () => {
      await sql?.end();
      await database?.discard();
    });

    // First: the server is younger than the step.
    it("an hour back, the dead lose their work as soon as ever, and nobody else", async () => {
      const alive = await hold("gpu-alive", "gpu");
      const dead = await hold("gpu-dead-2", "gpu");
      expect(await minute("gpu-alive", "gpu-dead-2")).toBe(0);

      clock.step(-HOUR);
      expect(await look()).toBe(0);
      expect(await minute("gpu-alive")).toBe(0);
      expect(await minute("gpu-alive")).toBe(1);
      expect(await statuses(alive, dead)).toEqual([
        "In Progress, start 1",
        "Queued, start 1",
      ]);
      for (const id of [alive, dead]) await end(id);
    });

    it("an hour ahead, only the dead lose their work, once they were watched", async () => {
      const alive = await hold("gpu-alive", "gpu");
      const dead = await hold("gpu-dead", "gpu");
      const api = await hold("api-worker-main", "api");
      expect(await minute("gpu-alive", "gpu-dead")).toBe(0);

      clock.step(HOUR);
      expect(await look()).toBe(0);
      expect(await minute("gpu-alive")).toBe(0);
      expect(await minute("gpu-alive")).toBe(1);
      expect(await statuses(alive, dead, api)).toEqual([
        "In Progress, start 1",
        "Queued, start 1",
        "In Progress, start 1",
      ]);
      for (const id of [alive, dead, api]) await end(id);
      expect(await counterDrift(sql)).toEqual([]);
    });

    /** A minute goes by, in which these beat; how much the rescue requeued. */
    async function minute(...beating: string[]): Promise<number> {
      for (let i = 0; i < 3; i++) {
        clock.step(20);
        for (const id of beating) await beat(id);
      }
      return await look();
    }

    async function look(): Promise<number> {
      const [row] = await sql<{ result: { requeue_lost: number } }[]>`
        select fairlane_core.run_job('rescue') as result
      `;
      return row?.result.requeue_lost ?? -1;
    }

    async function beat(id: string): Promise<void> {
      await sql`
        select public.func_update_worker_heartbeat(
          json_build_object('worker_id_param', ${id}::text, 'status_param', 'active')
        )
      `;
    }

    /** A task of a type of this pool, claimed by this worker. */
    async function hold(worker: string, pool: "gpu" | "api"): Promise<string> {
      const type = pool === "gpu" ? "clip" : "edit_image";
      if (pool === "gpu") await beat(worker);
      await sql`
        insert into public.tasks (task_type, project_id)
        select ${type}, p.id from public.projects as p
      `;
      const [row] = await sql<{ task: { task_id: string } | null }[]>`
        select public.claim_next_task(${SERVICE}::text::jsonb, ${worker}, ${pool}) as task
      `;
      const id = row?.task?.task_id;
      if (id === undefined) throw new Error(`${worker} got nothing`);
      return id;
    }

    async function end(id: string): Promise<void> {
      await sql`delete from public.tasks where id = ${id}`;
    }

    async function statuses(...ids: string[]): Promise<string[]> {
      const rows = await sql<{ id: string; said: string }[]>`
        select id, format('%s, start %s', status, attempts) as said
        from public.tasks where id = any (${ids})
      `;
      return ids.map((id) => rows.find((row) => row.id === id)?.said ?? "gone");
    }
  },
);
