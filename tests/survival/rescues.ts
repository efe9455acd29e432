import type { Connection } from "../support/db.ts";

/** How soon a gpu worker's task is back after the last sign of its worker. */
const PROMISED_SECONDS = 180;

/** A task that was requeued because nothing was heard of its worker. */
export interface Rescue {
  readonly taskId: string;
  readonly workerId: string;
  /** By the queue's clock, since the claim or the last beat. */
  readonly seconds: number;
}

/**
 * Every rescue of the history. Workers of a soak never beat again under the id
 * with which they died, so the last beat in their row is their last sign.
 */
export async function rescuesOf(sql: Connection): Promise<Rescue[]> {
  return await sql<Rescue[]>`
    select e.task_id as "taskId", start.worker_id as "workerId",
      extract(epoch from e.at - greatest(start.at, w.last_heartbeat))::float8
        as seconds
    from public.task_events as e
      cross join lateral (
        select s.worker_id, s.at
        from public.task_events as s
        where s.task_id = e.task_id and s.id < e.id
          and s.from_status = 'Queued' and s.to_status = 'In Progress'
        order by s.id desc
        limit 1
      ) as start
      left join public.workers as w on w.id = start.worker_id
    where e.from_status = 'In Progress' and e.actor = 'fairlane_core.rescue'
    order by seconds
  `;
}

/** Those that took longer than the queue promises, each as a sentence. */
export function lateRescues(rescues: readonly Rescue[]): string[] {
  return rescues
    .filter(({ seconds }) => seconds > PROMISED_SECONDS)
    .map(({ taskId, workerId, seconds }) =>
      `${taskId} was requeued ${seconds.toFixed(0)} s after ${workerId} was ` +
      `last heard of, not within ${PROMISED_SECONDS} s`
    );
}
