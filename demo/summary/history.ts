import type postgres from "postgres";

/** The most slots of a user at any instant, by the history of all tasks. */
export interface Peak {
  readonly userId: string;
  readonly limit: number;
  readonly most: number;
}

/**
 * Replays the history in the order of its ids: +1 where a task that takes a slot
 * starts, -1 where it stops to run. Looking at the tables from time to time, as
 * the story does, would miss what lasted a millisecond.
 */
export async function slotPeaks(sql: postgres.Sql): Promise<Peak[]> {
  return [
    ...await sql<Peak[]>`
      with moves as (
        select
          e.id, e.user_id,
          (e.to_status = 'In Progress')::integer - (e.from_status = 'In Progress')::integer as move
        from public.task_events as e
          join public.tasks as t on t.id = e.task_id
        where t.takes_slot
          and e.from_status is distinct from e.to_status
      ),
      running as (
        select m.user_id, sum(m.move) over (partition by m.user_id order by m.id) as slots
        from moves as m
      )
      select
        u.id as "userId", coalesce(u.max_in_progress, s.default_task_limit) as limit,
        coalesce(max(r.slots), 0)::integer as most
      from public.users as u
        cross join fairlane_core.settings as s
        left join running as r on r.user_id = u.id
      group by 1, 2
    `,
  ];
}

/** A task's starts and its end, in order. */
export interface Step {
  readonly to: string;
  readonly workerId: string | null;
  readonly attempt: number;
}

/** What became of a task, without the reports that changed nothing. */
export async function stepsOf(
  sql: postgres.Sql,
  taskId: string,
): Promise<Step[]> {
  return [
    ...await sql<Step[]>`
      select to_status as to, worker_id as "workerId", attempt
      from public.task_events
      where task_id = ${taskId}
        and from_status is distinct from to_status
      order by id
    `,
  ];
}
