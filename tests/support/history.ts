import { admin, type Connection } from "./db.ts";

/** A limit that a user had from a point in the history on. */
export interface LimitChange {
  readonly userId: string;
  /** The last event of the user before the change. */
  readonly afterEvent: number;
  readonly limit: number;
}

/** A start that the history should not show. */
export interface Offence {
  readonly taskId: string;
  readonly why: string;
}

interface Event {
  readonly id: number;
  readonly taskId: string;
  readonly userId: string;
  readonly from: string | null;
  readonly to: string;
  readonly takesSlot: boolean;
}

/**
 * Replays the history in the order of its ids and returns every start of a task
 * that was running already, or of one too many for its user at that instant.
 * Sampling the tables would miss what lasted a millisecond.
 */
export async function illegalStarts(
  defaultLimit: number,
  changes: readonly LimitChange[] = [],
  sql: Connection = admin(),
): Promise<Offence[]> {
  const limits = [...changes].sort((a, b) => a.afterEvent - b.afterEvent);
  const limitAt = (event: Event) =>
    limits.findLast((change) =>
      change.userId === event.userId && change.afterEvent < event.id
    )?.limit ?? defaultLimit;

  const running = new Map<string, Map<string, boolean>>();
  const offences: Offence[] = [];
  for (const event of await readEvents(sql)) {
    const { taskId, userId } = event;
    const own = running.get(userId) ?? new Map<string, boolean>();
    running.set(userId, own);
    const isStart = event.to === "In Progress" && event.from !== event.to;
    if (!isStart) {
      if (event.to !== "In Progress") own.delete(taskId);
      continue;
    }
    if (own.has(taskId)) offences.push({ taskId, why: "runs already" });
    own.set(taskId, event.takesSlot);
    const slots = [...own.values()].filter((takesSlot) => takesSlot).length;
    if (event.takesSlot && slots > limitAt(event)) {
      offences.push({ taskId, why: `${slots} run of ${limitAt(event)}` });
    }
  }
  return offences;
}

async function readEvents(sql: Connection): Promise<Event[]> {
  return [
    ...await sql<Event[]>`
    select
      e.id::integer,
      e.task_id as "taskId",
      e.user_id as "userId",
      e.from_status as "from",
      e.to_status as "to",
      coalesce(y.category, '') <> 'orchestration' as "takesSlot"
    from public.task_events as e
      left join public.tasks as t on t.id = e.task_id
      left join public.task_types as y on y.name = t.task_type
    order by e.id
  `,
  ];
}

/**
 * Gives a user another limit and notes the point in the history from which on it
 * holds: the update takes the lock under which all events of the user are
 * written.
 */
export async function changeLimit(
  userId: string,
  limit: number,
): Promise<LimitChange> {
  return await admin().begin(async (sql) => {
    await sql`
      update public.users set max_in_progress = ${limit} where id = ${userId}
    `;
    const [last] = await sql<{ id: number }[]>`
      select coalesce(max(id), 0)::integer as id
      from public.task_events
      where user_id = ${userId}
    `;
    return { userId, afterEvent: last?.id ?? 0, limit };
  });
}
