/** How a backlog is spread over its owners. */
export type Distribution = "even" | "skew90" | "capped95";

/** One state of the queue in which calls are measured. */
export interface Shape {
  /** Tasks that are queued. */
  readonly backlog: number;
  readonly users: number;
  readonly distribution: Distribution;
  /** Tasks that ended earlier and are still in the table. */
  readonly finished?: number;
}

/** Slots of every user in the bench, the queue's own default. */
export const TASK_LIMIT = 5;

/** The share of the backlog, its oldest part, that capped users own. */
const cappedShare: Record<Distribution, number> = {
  even: 0,
  skew90: 0.9,
  capped95: 0.95,
};

/** What each distribution means, in words. */
export const distributionWords: Record<Distribution, string> = {
  even: "every user owns as much as any other",
  skew90: "one user, at the limit, owns the oldest 90 %",
  capped95: "half of the users, all at their limit, own the oldest 95 %",
};

/** How many users are at their limit from the start and stay there. */
export function cappedUsers({ distribution, users }: Shape): number {
  switch (distribution) {
    case "even":
      return 0;
    case "skew90":
      return 1;
    case "capped95":
      return Math.floor(users / 2);
  }
}

/** How many tasks of this shape are owned by capped users. */
export function blockedTasks({ backlog, distribution }: Shape): number {
  return Math.floor(backlog * cappedShare[distribution]);
}

/** How many tasks one claim after another can get before all are at a limit. */
export function capacity(shape: Shape, limit = TASK_LIMIT): number {
  const freeUsers = shape.users - cappedUsers(shape);
  const freeTasks = shape.backlog - blockedTasks(shape);
  return Math.min(freeUsers * limit, freeTasks);
}

/** SQL: the number of the user who owns row `i` (1 = oldest) of the backlog. */
export function ownerNumber(shape: Shape, i = "m.i"): string {
  const capped = cappedUsers(shape);
  const free = `${capped + 1} + ${i} % ${shape.users - capped}`;
  return capped === 0 ? free : `case when ${i} <= ${blockedTasks(shape)} ` +
    `then 1 + ${i} % ${capped} else ${free} end`;
}

/** A shape on the command line: `1M/10k/even`. */
export function shapeLabel({ backlog, users, distribution }: Shape): string {
  return `${short(backlog)}/${short(users)}/${distribution}`;
}

/** The shape in a few characters, for progress lines. */
export function shapeName({ backlog, users, distribution }: Shape): string {
  return `${short(backlog)} tasks, ${short(users)} users, ${distribution}`;
}

/** 1k, 100k, 1M. */
export function short(count: number): string {
  if (count >= 1_000_000) return `${count / 1_000_000}M`;
  return count >= 1_000 ? `${count / 1_000}k` : String(count);
}
