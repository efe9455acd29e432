import type { Board, Happening, UserRow, WorkerRow } from "../board.ts";

/** A board in the middle of a run; each test says what is different. */
export function aBoard(changes: Partial<Board> = {}): Board {
  return {
    elapsedMs: 83_400,
    speed: 20,
    seed: 7,
    queue: {
      enqueued: 112,
      claimable: 6,
      active: 3,
      orchestrators: 1,
      blocked: { not_yet: 1, user_at_limit: 20, no_credits: 0 },
      complete: 61,
      failed: 1,
    },
    perSecond: 3.25,
    rescues: 1,
    turns: ["Dana", "Robin", "Dana"],
    users: [aUser("Dana", { running: 3, ready: 17 }), aUser("Robin")],
    workers: [
      aWorker("cloud-1", { state: "working", doing: "join_clips of Dana" }),
      aWorker("cloud-2", { state: "dead", doing: "holds a task" }),
    ],
    events: [anEvent("Dana enqueues 44 tasks"), anEvent("cloud-2 dies")],
    ...changes,
  };
}

export function aUser(name: string, changes: Partial<UserRow> = {}): UserRow {
  return { name, running: 1, limit: 3, ready: 0, complete: 5, ...changes };
}

export function aWorker(
  name: string,
  changes: Partial<WorkerRow> = {},
): WorkerRow {
  return { name, state: "idle", doing: "", ...changes };
}

export function anEvent(text: string): Happening {
  return { atMs: 62_000, tone: "plain", text };
}

/** So many of something. */
export function many<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
