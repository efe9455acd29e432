import type { Sql } from "postgres";
import { z } from "zod";
import { withoutIndexes } from "./drop-indexes.ts";
import { cappedUsers, ownerNumber, type Shape, TASK_LIMIT } from "./shape.ts";

/** More than any round claims before it completes. */
export const WORKERS = 512;

const Differing = z.array(z.unknown()).length(0);

/**
 * Fills our tables without the triggers that run once per row (150 µs each, 150 s
 * for a million), then lets the queue's own code count what was stored, and
 * checks that it finds nothing that its triggers would have done otherwise.
 */
export async function fillOurs(admin: Sql, shape: Shape): Promise<void> {
  await admin.unsafe(`
    truncate public.users, public.task_events, public.workers,
      fairlane_core.blocked_tasks, fairlane_core.minute_samples, fairlane_core.status_totals cascade;
    -- The bench measures the sweep by itself; here it would only be noise.
    update cron.job set active = false;
    insert into public.task_types
      (name, run_type, category, content_type, creates_generation)
    values ('bench_clip', 'gpu', 'generation', 'video', true)
    on conflict (name) do nothing;
    insert into public.users (id, credits)
    select id, 100 from bench.users where n <= ${shape.users};
    insert into public.projects (id, user_id) select id, id from public.users;
    insert into public.workers (id, status, last_heartbeat)
    select 'bench-' || n, 'active', now() from generate_series(1, ${WORKERS}) n;
  `);
  await admin.begin(async (sql) => {
    await sql.unsafe("alter table public.tasks disable trigger all");
    await withoutIndexes(sql, "public.tasks", async () => {
      await sql.unsafe(queuedTasks(shape));
      await sql.unsafe(runningTasks(shape));
      await sql.unsafe(finishedTasks(shape));
    });
    await sql.unsafe("alter table public.tasks enable trigger all");
    await sql.unsafe(`
      select fairlane_core.apply_counter_deltas(
        array_agg(c::fairlane_core.counter_delta),
        now() - interval '12 hours'
      )
      from (
        select user_id, pool, true, takes_slot, readiness, count(*)::integer
        from public.tasks
        where readiness is not null
        group by user_id, pool, takes_slot, readiness
      ) as c`);
    // They have no history from which they could be counted.
    await sql.unsafe("select fairlane_core.recount_totals()");
  });
  await admin.unsafe(
    "vacuum (analyze) public.tasks, public.users, public.projects, " +
      "public.workers, fairlane_core.user_slots, fairlane_core.user_queues",
  );
  await checkFill(admin);
}

function queuedTasks(shape: Shape): string {
  return `
    insert into public.tasks (
      id, task_type, params, project_id, user_id, created_at, updated_at,
      pool, takes_slot, readiness, model, has_bounded_params
    )
    select
      m.id, 'bench_clip', m.params, u.id, u.id, m.created_at, m.created_at,
      'gpu', true, 'ready', m.params ->> 'model', true
    from bench.model as m
      join bench.users as u on u.n = ${ownerNumber(shape)}
    where m.i <= ${shape.backlog}
    order by m.i`;
}

function runningTasks(shape: Shape): string {
  return `
    insert into public.tasks (
      task_type, params, project_id, user_id, status, worker_id, attempts,
      claimed_at, generation_started_at, lease_token, pool, takes_slot,
      readiness, model, has_bounded_params
    )
    select
      'bench_clip', m.params, u.id, u.id, 'In Progress', 'busy-' || u.n, 1,
      now(), now(), gen_random_uuid(), 'gpu', true,
      'active', m.params ->> 'model', true
    from bench.users as u
      cross join generate_series(1, ${TASK_LIMIT})
      cross join (select params from bench.model where i = 1) as m
    where u.n <= ${cappedUsers(shape)}`;
}

function finishedTasks(shape: Shape): string {
  return `
    insert into public.tasks (
      task_type, params, project_id, user_id, created_at, updated_at, status,
      worker_id, attempts, claimed_at, generation_processed_at,
      output_location, pool, takes_slot, model, has_bounded_params
    )
    select
      'bench_clip', m.params, u.id, u.id, m.created_at, m.created_at,
      'Complete', 'bench-1', 1, m.created_at, m.created_at,
      'https://example.com/out.mp4', 'gpu', true, m.params ->> 'model', true
    from bench.model as m
      join bench.users as u on u.n = 1 + m.i % ${shape.users}
    where m.i <= ${shape.finished ?? 0}`;
}

/** The counters against a recount, and a sample of the tasks against the rule. */
async function checkFill(admin: Sql): Promise<void> {
  const drift = await admin`select * from fairlane_core.drift()`;
  const misplaced = await admin`
    select t.id
    from (select * from public.tasks tablesample bernoulli (1) limit 2000) as t
      join public.task_types as y on y.name = t.task_type
    where t.readiness is distinct from fairlane_core.task_readiness(t)
      or t.model is distinct from fairlane_core.task_model(t.params)
      or not t.has_bounded_params
      or t.pool is distinct from y.run_type
      or t.takes_slot is distinct from (y.category <> 'orchestration')`;
  if (!Differing.safeParse([...drift, ...misplaced]).success) {
    throw new Error(
      `The fill differs from what triggers would have made: ` +
        `${drift.length} counters, ${misplaced.length} sampled tasks`,
    );
  }
}
