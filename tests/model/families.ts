import { KINDS } from "./kinds.ts";
import { FAMILY_QUIET } from "./numbers.ts";
import { isGuest } from "../support/profile.ts";
import { isLive, type State, type Task } from "./state.ts";

/** Children that count: those that no other one has replaced. */
export function childrenOf(state: State, orchestrator: Task): Task[] {
  return [...state.tasks.values()].filter((task) =>
    task.parent === orchestrator.id && task.replacedBy === null
  );
}

/** Whether it has said, or shows, that it has enqueued all of its children. */
export function isEnqueued(
  state: State,
  orchestrator: Task,
  isQuiet = false,
): boolean {
  const children = childrenOf(state, orchestrator);
  if (children.length === 0) return false;
  const said = state.families.get(orchestrator.id)?.enqueuedAttempt;
  if (said === orchestrator.attempts) return true;
  if (orchestrator.announces === null) return false;
  // The queue's own words announce a number, whichever the children are.
  if (isGuest) return children.length > orchestrator.announces;
  const parts = children.filter(({ kind }) => kind === "part").length;
  const hasFinal = children.some(({ kind }) => kind === "final");
  return parts >= orchestrator.announces && (hasFinal || isQuiet);
}

/** Whether no death of a worker concerns it: it only waits for its children. */
export function needsNoWorker(state: State, task: Task): boolean {
  return state.families.has(task.id) && isEnqueued(state, task);
}

/** Whether its children have been left alone for so long that all are there. */
export function isQuiet(state: State, orchestrator: Task): boolean {
  const family = state.families.get(orchestrator.id);
  return family !== undefined &&
    family.changedAt < state.now - FAMILY_QUIET;
}

/** How the children say that their orchestrator ends; null = not yet. */
export function verdict(
  state: State,
  orchestrator: Task,
  quiet = false,
): {
  readonly to: "Complete" | "Failed" | "Cancelled";
  readonly output: string | null;
} | null {
  const children = childrenOf(state, orchestrator);
  const has = (status: Task["status"]) =>
    children.some((child) => child.status === status);
  const to = has("Failed")
    ? "Failed"
    : children.some(isLive) || children.length === 0
    ? null
    : has("Cancelled")
    ? "Cancelled"
    : "Complete";
  if (to === null || !isEnqueued(state, orchestrator, quiet)) return null;
  // One that was requeued goes on, unless there is nothing left to do.
  const waitsForWorker = orchestrator.status === "Queued" &&
    orchestrator.claimedAt !== null && to === "Complete";
  if (orchestrator.status !== "In Progress" && !waitsForWorker) return null;
  return {
    to,
    output: to === "Complete" ? finalChild(children)?.output ?? null : null,
  };
}

/** The child that puts everything together, else the last part. */
function finalChild(children: readonly Task[]): Task | undefined {
  return children.toSorted((one, other) =>
    KINDS[other.kind].rank - KINDS[one.kind].rank ||
    (other.part ?? -1) - (one.part ?? -1) ||
    other.id - one.id
  )[0];
}
