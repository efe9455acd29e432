import { afterAll, beforeAll, describe, expect, it } from "vitest";
import postgres from "postgres";
import type { ThrowAwayDatabase } from "../../gate/equality/throw-away-database.ts";
import { counterDrift } from "../support/drift.ts";
import { applyMigrations } from "../support/old-database.ts";
import { pauseJobs } from "../support/pause-jobs.ts";
import { stack } from "../support/stack.ts";
import { differencesFromFresh } from "./like-a-fresh-install.ts";
import { applyUpTo, queueInUse } from "./queue-in-use.ts";
import { jobsOf } from "./restore/state.ts";

// Stands for whoever deployed the queue before its values had bounds, has used it since, and upgrades now: rows of every
// state, written by the functions of that time, and values of that time that would be refused today.

/** From here on new owners are written by functions that do not know of places for orchestration. */
const PLACES = "20261130160100";

describe("an upgrade of a queue in use", () => {
  let database: ThrowAwayDatabase;
  let sql: postgres.Sql;
  let before: Row[];
  let running: Running[];

  beforeAll(async () => {
    database = await queueInUse("from-before");
    sql = postgres(database.url, { max: 1, onnotice: () => {} });
    before = await rows();
    running = await sql<Running[]>`
      select id, worker_id as worker, lease_token as lease, task_type as type, token_id is not null as "byToken"
      from public.tasks where status = 'In Progress' order by id
    `;
    await applyUpTo(database.url, PLACES);
  }, 300_000);
  afterAll(async () => {
    await sql?.end();
    await database?.discard();
  });

  it("lets new owners enqueue and work go on while it is halfway", async () => {
    const owner = "0f000000-0000-4000-8000-000000000001";
    await sql`insert into public.users (id, credits) values (${owner}, 50)`;
    await sql`insert into public.projects (id, user_id) values (${owner}, ${owner})`;
    await sql`
      insert into public.tasks (task_type, project_id, priority)
      select 'travel_segment', ${owner}, 1000 from generate_series(1, 2)
    `;
    const claimed = await claim("gpu-halfway");
    expect(claimed).toMatchObject({ status: "In Progress" });
    before = await rows();
  });

  it("goes through and keeps every row as it was", async () => {
    await applyMigrations(database.url);
    await pauseJobs(database.adminUrl);
    expect(await rows()).toEqual(before);
  }, 300_000);

  it("leaves nothing that does not agree", async () => {
    expect(await sql`select * from queue.drift()`).toEqual([]);
    expect(await counterDrift(sql)).toEqual([]);
  });

  it("ends with the schema and the jobs of a fresh install", async () => {
    expect(await differencesFromFresh(database.url)).toEqual([]);
    const fresh = postgres(stack().dbUrl, { max: 1, onnotice: () => {} });
    try {
      expect(await jobsOf(sql)).toEqual(await jobsOf(fresh));
      const names = "select job from queue.job_runs order by job";
      expect(await sql.unsafe(names)).toEqual(await fresh.unsafe(names));
    } finally {
      await fresh.end();
    }
  });

  it("keeps a setting that was off, and shortens what was too long", async () => {
    const [found] = await sql`
      select s.finished_task_retention, s.max_attempts,
        s.max_retry_delay = interval '100 years' as shortened, s.retry_delay = interval '1 second' as kept
      from queue.settings as s
    `;
    expect(found).toEqual({
      finished_task_retention: null,
      max_attempts: 1000,
      shortened: true,
      kept: true,
    });
  });

  it("lets the holders of before end their tasks with their leases", async () => {
    const held = running.filter(({ type }) => type !== "travel_orchestrator");
    expect(held.filter(({ byToken }) => byToken).length).toBeGreaterThan(1);
    expect(held.filter(({ byToken }) => !byToken).length).toBeGreaterThan(5);
    const [refused] = await sql`
      select count(*)::integer as count from unnest(${
      held.map(({ id }) => id)
    }::uuid[]) as h (id)
      where public.complete_task(
        '{"kind": "service"}', h.id, 'https://files.test/' || h.id, p_lease_token => (
          select t.lease_token from public.tasks as t where t.id = h.id
        )
      ) ->> 'status' is distinct from 'Complete'
    `;
    expect(refused).toEqual({ count: 0 });
  });

  it("lets every task with a value of before end", async () => {
    await sql`
      update public.tasks set status = 'Failed', error_message = 'over'
      where id::text like '0e000000-%' and status = 'In Progress'
    `;
    await sql`
      update public.tasks set status = 'Cancelled'
      where status = 'Queued' and (
        id::text like '0e000000-%' or abs(priority::bigint) > 1000 or created_at < '2000-01-01'
        or available_at > '2100-01-01' or max_attempts > 1000 or timeout > interval '30 days'
      )
    `;
    const [left] = await sql`
      select count(*)::integer as count from public.tasks
      where standing is not null and status = 'Queued' and (
        id::text like '0e000000-%' or abs(priority::bigint) > 1000 or created_at < '2000-01-01'
      )
    `;
    expect(left).toEqual({ count: 0 });
  });

  it("hands out what is left, and the jobs run", async () => {
    for (const job of ["sweep", "count_on", "rescue"]) {
      await sql`select queue.run_job(${job})`;
    }
    expect(await claim("gpu-after")).toMatchObject({ status: "In Progress" });
    expect(await sql`select * from queue.drift()`).toEqual([]);
    expect(await counterDrift(sql)).toEqual([]);
  });

  async function claim(worker: string): Promise<unknown> {
    const [row] = await sql<{ reply: { task_id: string } }[]>`
      select public.claim_next_task('{"kind": "service"}', ${worker}) as reply
    `;
    const [task] = await sql`
      select status from public.tasks where id = ${row?.reply.task_id ?? null}
    `;
    return task;
  }

  /** What no upgrade may change of any task. */
  function rows(): Promise<Row[]> {
    return sql<Row[]>`
      select t.id, md5(concat_ws(
        '|', t.status, t.standing, t.attempts, t.lease_token, t.params::text, t.task_type, t.priority, t.user_id,
        t.available_at, t.created_at, case when t.token_id is null then t.updated_at end, t.error_message, t.output_location, t.max_attempts, t.timeout, t.token_id
      )) as digest
      from public.tasks as t order by t.id
    `.then((found) => [...found]);
  }
});

interface Row {
  readonly id: string;
  readonly digest: string;
}

interface Running {
  readonly id: string;
  readonly worker: string;
  readonly lease: string;
  readonly type: string;
  readonly byToken: boolean;
}
