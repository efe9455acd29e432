import { admin } from "../../support/db.ts";

/** A start that brought nothing. */
export interface LostStart {
  readonly task_id: string;
  /** The orchestrator whose child it is, or the task itself. */
  readonly family: string;
  readonly is_orchestrator: boolean;
  readonly worker_id: string;
  readonly reason: string;
  /** From its claim to its end, by the queue's clock. */
  readonly seconds: number;
}

/** Handed back by its holder, or never received: it does not count. */
const FREE = /was handed back|beats, but has not named/;

/** All starts that ended in the queue again, as the history tells them. */
export async function lostStarts(): Promise<LostStart[]> {
  return [
    ...await admin()<LostStart[]>`
      select
        e.task_id, e.worker_id, e.reason,
        coalesce(t.params ->> 'orchestrator_task_id_ref', t.id::text) as family,
        t.task_type like '%\\_orchestrator' as is_orchestrator,
        extract(epoch from e.at - (
          select max(s.at)
          from public.task_events as s
          where s.task_id = e.task_id and s.id < e.id
            and s.to_status = 'In Progress' and s.from_status = 'Queued'
        ))::double precision as seconds
      from public.task_events as e
        join public.tasks as t on t.id = e.task_id
      where e.from_status = 'In Progress' and e.to_status = 'Queued'
      order by e.id
    `,
  ];
}

/**
 * The starts that nothing accounts for: their worker did not die, and no claim
 * was lost that handed them out. An orchestrator on a machine without a guardian
 * is given up, too, while a child of it waits to be missed.
 */
export function unexplained(
  starts: readonly LostStart[],
  dead: readonly string[],
  lostClaims: readonly string[],
): LostStart[] {
  const lost = lostClaims.filter((reply) => reply !== "")
    .map((reply) =>
      (JSON.parse(reply) as { readonly task_id: string }).task_id
    );
  const families = new Set(
    starts.filter(({ task_id }) => lost.includes(task_id))
      .map(({ family }) => family),
  );
  return starts.filter((start) => {
    if (dead.includes(start.worker_id)) return false;
    if (start.is_orchestrator) return !families.has(start.family);
    const at = lost.indexOf(start.task_id);
    if (at >= 0) lost.splice(at, 1); // each accounts for one
    return at < 0;
  });
}

/** Tasks whose `attempts` are not those of the history: one, and each that counts. */
export async function wrongAttempts(
  starts: readonly LostStart[],
): Promise<string[]> {
  const tasks = await admin()<{ id: string; attempts: number }[]>`
    select id, attempts from public.tasks where status = 'Complete'
  `;
  return tasks.filter(({ id, attempts }) =>
    attempts !==
      1 +
        starts.filter(({ task_id, reason }) =>
          task_id === id && !FREE.test(reason)
        ).length
  ).map(({ id, attempts }) => `${id} after ${attempts}`);
}
