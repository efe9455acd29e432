import { end, settle } from "./endings.ts";
import { DEPENDENCY_GRACE, STALE_AFTER } from "./numbers.ts";
import { standingOf } from "./one-rule.ts";
import { isLive, type State, type Task } from "./state.ts";

/** Cancels what is too old, or waits for what cannot come. */
export function cleanUp(state: State): void {
  const due = [...state.tasks.values()].filter((task) =>
    task.status === "Queued" &&
    (isForgotten(state, task) || isLost(state, task))
  );
  settle(state, due.map((task) => end(state, task, "Cancelled")));
}

/** Never started, too old, and nothing that is fresh would go along. */
function isForgotten(state: State, task: Task): boolean {
  const readiness = standingOf(state, task) ?? "";
  const along = goingAlong(state, task);
  return readiness === "stale" &&
    ![...along].some((other) =>
      other !== task && other.owner === task.owner &&
      isFresh(state, other, along)
    );
}

/** What would be cancelled with it: dependents, children, and so on. */
function goingAlong(state: State, task: Task): Set<Task> {
  const along = new Set([task]);
  // A set hands out what is added on the way, too.
  for (const cause of along) {
    if (!isLive(cause)) continue;
    for (const other of state.tasks.values()) {
      if (other.dependsOn.includes(cause.id) || other.parent === cause.id) {
        along.add(other);
      }
    }
  }
  return along;
}

function isFresh(state: State, task: Task, along: Set<Task>): boolean {
  if (task.status !== "Queued") return task.status === "In Progress";
  const parent = state.tasks.get(task.parent ?? -1);
  return task.attempts > 0 || task.claimedAt !== null ||
    couldRunSince(state, task) >= state.now - STALE_AFTER ||
    (parent !== undefined && isLive(parent) && !along.has(parent));
}

/** Enqueued, due, requeued, and nothing left to wait for. */
function couldRunSince(state: State, task: Task): number {
  return Math.max(
    task.createdAt,
    task.dueAt ?? task.createdAt,
    task.putBackAt ?? task.createdAt,
    ...task.dependsOn.map((id) =>
      state.tasks.get(id)?.completeAt ?? task.createdAt
    ),
  );
}

function isLost(state: State, task: Task): boolean {
  return standingOf(state, task) === "dependency_lost" &&
    task.updatedAt < state.now - DEPENDENCY_GRACE;
}
