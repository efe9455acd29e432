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
const FREE = /was released|sends heartbeats, but has not named/;

/** Asked for by its holder, which a reply did not reach. */
const RETRY = /^Retry \d+ \(network_transient\): .*socket hang up/;

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

/** What of a run may cost a start. */
export interface Losses {
  /** Who died, and the task that it had begun then. */
  readonly deaths?: Readonly<Record<string, string | undefined>>;
  /** What claims said whose reply was lost. */
  readonly claims: readonly string[];
  /** The name of machines that cannot beat. */
  readonly nameless?: string;
}

/**
 * The starts that nothing accounts for. May be lost, each once: what a worker was
 * at work on when it died, and an orchestrator that it held then; what a claim
 * handed out whose reply was lost; what its holder hands back itself because a
 * reply was; and an orchestrator on a machine that cannot beat, while a child of
 * it waits to be missed.
 */
export function unexplained(
  starts: readonly LostStart[],
  { deaths = {}, claims, nameless }: Losses,
): LostStart[] {
  const handedOut = claims.filter((reply) => reply !== "")
    .map((reply) =>
      (JSON.parse(reply) as { readonly task_id: string }).task_id
    );
  const missed = new Set(
    starts.filter(({ task_id }) => handedOut.includes(task_id))
      .map(({ family }) => family),
  );
  const atDeaths = new Set<string>();
  return starts.filter((start) => {
    const { task_id, worker_id, is_orchestrator, reason, family } = start;
    if (worker_id in deaths) {
      const isOfDeath = is_orchestrator || deaths[worker_id] === task_id;
      const start = `${worker_id} ${task_id}`;
      if (isOfDeath && !atDeaths.has(start)) return !atDeaths.add(start);
    }
    const at = handedOut.indexOf(task_id);
    if (at >= 0) return handedOut.splice(at, 1).length === 0;
    if (claims.length > 0 && RETRY.test(reason)) return false;
    const cannotBeat = nameless !== undefined &&
      worker_id.endsWith(`:${nameless}`);
    return !(is_orchestrator && cannotBeat && missed.has(family));
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
