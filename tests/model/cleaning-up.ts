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

/** Never started, too old, and nobody who is fresh waits for it. */
function isForgotten(state: State, task: Task): boolean {
  const standing = standingOf(state, task) ?? "ready";
  return !["ready", "not_yet"].includes(standing) && task.claimedAt === null &&
    isStale(state, task) &&
    ![...state.tasks.values()].some((other) =>
      other.dependsOn.includes(task.id) &&
      (other.status === "In Progress" ||
        (other.status === "Queued" && !isStale(state, other)))
    );
}

function isLost(state: State, task: Task): boolean {
  return standingOf(state, task) === "dependency_lost" &&
    task.createdAt >= state.now - STALE_AFTER &&
    task.updatedAt < state.now - DEPENDENCY_GRACE;
}

function isStale(state: State, task: Task): boolean {
  const parent = state.tasks.get(task.parent ?? -1);
  return task.attempts === 0 && task.createdAt < state.now - STALE_AFTER &&
    !(parent !== undefined && isLive(parent));
}
