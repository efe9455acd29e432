import type { Sql } from "postgres";
import { withoutIndexes } from "./drop-indexes.ts";

/** Rows that the jobs of cleaning have to deal with, beside the live ones. */
export interface Due {
  /** Tasks to cancel: never started, eight days old. */
  stale: number;
  /** Finished tasks to delete, each with two events of its history. */
  finished: number;
  /** Log lines to delete. */
  logs: number;
}

/**
 * Adds them to a world of fillOurs, spread evenly over its users, and has the
 * queue count what it counts of them.
 */
export async function fillDue(admin: Sql, due: Due): Promise<void> {
  await admin.begin(async (sql) => {
    await sql.unsafe("alter table public.tasks disable trigger all");
    await withoutIndexes(sql, "public.tasks", async () => {
      await sql.unsafe(staleTasks(due.stale));
      await sql.unsafe(finishedTasks(due.finished));
    });
    await sql.unsafe("alter table public.tasks enable trigger all");
    await sql.unsafe(`
      insert into fairlane_core.blocked_tasks (user_id, pool, reason, is_cloud, task_count)
      select user_id, pool, 'stale', true, count(*)
      from public.tasks
      where readiness = 'stale'
      group by user_id, pool;

      insert into public.task_events
        (task_id, user_id, at, from_status, to_status, attempt, actor)
      select t.id, t.user_id, t.updated_at, e.was, e.became, 1, 'service'
      from public.tasks as t
        cross join (
          values (1, null, 'Queued'), (2, 'In Progress', 'Complete')
        ) as e (n, was, became)
      where t.status = 'Complete' and t.updated_at < now() - interval '7 days'
      order by t.created_at, e.n;

      insert into public.system_logs
        ("timestamp", source_type, log_level, message, worker_id)
      select
        now() - interval '3 days' + n * interval '10 milliseconds', 'worker',
        'INFO', 'Step ' || n || ' of 1000', 'bench-' || n % 100
      from generate_series(1, ${due.logs}) as n;

      update fairlane_core.settings
      set finished_task_retention = '7 days', event_retention = '7 days';`);
  });
  await admin.unsafe(
    "vacuum (analyze) public.tasks, public.task_events, public.system_logs, " +
      "fairlane_core.blocked_tasks",
  );
}

function staleTasks(count: number): string {
  return `
    insert into public.tasks (
      task_type, params, project_id, user_id, created_at, updated_at,
      pool, takes_slot, readiness, model
    )
    select
      'bench_clip', m.params, u.id, u.id,
      now() - interval '8 days' + d.n * interval '10 milliseconds',
      now() - interval '8 days', 'gpu', true, 'stale', m.params ->> 'model'
    ${spread(count)}`;
}

function finishedTasks(count: number): string {
  return `
    insert into public.tasks (
      task_type, params, project_id, user_id, created_at, updated_at, status,
      worker_id, attempts, claimed_at, generation_processed_at,
      output_location, pool, takes_slot, model
    )
    select
      'bench_clip', m.params, u.id, u.id, a.at, a.at, 'Complete', 'bench-1',
      1, a.at, a.at, 'https://example.com/out.mp4', 'gpu', true,
      m.params ->> 'model'
    ${spread(count)}
      cross join lateral (
        select now() - interval '9 days' + d.n * interval '10 milliseconds' as at
      ) as a`;
}

/** One row per number up to the count, with a user in turn. */
function spread(count: number): string {
  return `
    from generate_series(1, ${count}) as d (n)
      join bench.users as u
        on u.n = 1 + d.n % (select count(*) from public.users)
      cross join (select params from bench.model where i = 1) as m`;
}
