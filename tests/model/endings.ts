import { isEnqueued, verdict } from "./families.ts";
import { hold } from "./holding.ts";
import { KINDS } from "./kinds.ts";
import {
  MAX_ATTEMPTS,
  MAX_FREE_RETURNS,
  RETRY_DELAY,
  UNDELIVERED,
} from "./numbers.ts";
import { isLive, type State, type Task } from "./state.ts";
import type { Status } from "./worlds/world.ts";

/** A task that has ended, or was requeued after its end. */
export interface Moved {
  readonly task: Task;
  readonly to: Status | "deleted";
}

/** How often it may be started. */
export function startsAllowed(task: Task): number {
  return task.maxAttempts ?? KINDS[task.kind].maxAttempts ?? MAX_ATTEMPTS;
}

/** Writes a result: the first one is the only one. */
export function complete(
  state: State,
  task: Task,
  output: string | null,
): Moved {
  hold(state, task);
  leave(state, task, "Complete");
  if (task.status === "Queued" && task.lastStart !== null) {
    const { worker, token, attempt } = task.lastStart;
    task.worker = worker;
    task.token = token;
    task.attempts = Math.max(task.attempts, attempt);
  }
  task.status = "Complete";
  task.completeAt = state.now;
  task.output = output;
  task.updatedAt = state.now;
  if (KINDS[task.kind].createsGeneration && task.replacedBy === null) {
    task.generation = output;
  }
  return { task, to: "Complete" };
}

/** Ends it without a result. */
export function end(
  state: State,
  task: Task,
  to: "Failed" | "Cancelled",
): Moved {
  hold(state, task);
  leave(state, task, to);
  task.status = to;
  task.updatedAt = state.now;
  return { task, to };
}

/** Back into the queue, or to its end when it was started often enough. */
export function putBack(
  state: State,
  task: Task,
  isForgiven = false,
): Moved[] {
  if (task.status === "In Progress") {
    const earlier = task.freeReturns;
    if (isForgiven) task.freeReturns += 1;
    if (isForgiven && earlier > 0) {
      task.dueAt = Math.max(task.dueAt ?? 0, state.now + RETRY_DELAY);
    }
    if (isForgiven && earlier < MAX_FREE_RETURNS) task.attempts -= 1;
    else if (task.attempts >= startsAllowed(task)) {
      return [end(state, task, "Failed")];
    }
  }
  queueAgain(state, task);
  return [];
}

/** As nobody's task. */
export function queueAgain(state: State, task: Task): void {
  hold(state, task);
  leave(state, task, "Queued");
  task.status = "Queued";
  task.worker = null;
  task.token = null;
  task.claimId = null;
  task.hasLease = false;
  task.isDelivered = false;
  task.reportedAt = null;
  task.updatedAt = state.now;
}

/** Before a task leaves In Progress: what that says of its worker. */
function leave(state: State, task: Task, to: Status): void {
  const last = task.startsOf.get(task.worker ?? "");
  if (task.status !== "In Progress" || last === undefined) return;
  const isLost = to === "Queued" || to === "Failed";
  last.isOver = state.areOver === "all" ||
    (state.areOver === "but cancelled" && to !== "Cancelled") ||
    (isLost && neverArrived(state, task));
  if (isLost) task.lostStarts.set(task.worker ?? "", last.start);
}

/**
 * Nothing has named it for so long that its worker never had it, whatever ends
 * the start: the worker's silence as well as somebody's reset.
 */
function neverArrived(state: State, task: Task): boolean {
  return !task.isDelivered &&
    (task.claimedAt ?? 0) <= state.now - UNDELIVERED;
}

/** What follows for families and dependents from tasks that have moved. */
export function settle(state: State, moved: readonly Moved[]): void {
  if (moved.length === 0) return;
  const parents = moved.filter(({ task }) => task.replacedBy === null)
    .flatMap(({ task }) => state.tasks.get(task.parent ?? -1) ?? [])
    .filter((parent) => state.families.has(parent.id));
  for (const parent of new Set(parents)) {
    const family = state.families.get(parent.id);
    if (family !== undefined) family.changedAt = state.now;
  }
  for (const parent of new Set(parents)) judge(state, parent);

  for (const { task, to } of moved) {
    if (to === "Cancelled") cancelChildren(state, task.id);
  }
  for (const { task, to } of moved) {
    if (to === "Failed") failChildren(state, task.id);
  }
  for (const { task, to } of moved) {
    if (to === "Failed" || to === "Cancelled" || to === "deleted") {
      loseDependants(state, task, to === "Failed" ? "Failed" : "Cancelled");
    }
  }
}

/** Ends an orchestrator if its children say so. */
export function judge(state: State, orchestrator: Task, quiet = false): void {
  if (!state.families.has(orchestrator.id)) return;
  if (
    orchestrator.status === "In Progress" &&
    !KINDS[orchestrator.kind].takesSlot &&
    (state.families.get(orchestrator.id)?.enqueuedAttempt ===
        orchestrator.attempts || isEnqueued(state, orchestrator))
  ) orchestrator.isHandedOver = true;
  const found = verdict(state, orchestrator, quiet);
  if (found === null) return;
  settle(state, [
    found.to === "Complete"
      ? complete(state, orchestrator, found.output)
      : end(state, orchestrator, found.to),
  ]);
}

/** Live children of an orchestrator that is no more go with it. */
export function cancelChildren(state: State, orchestrator: number): void {
  if (!state.families.has(orchestrator)) return;
  const live = [...state.tasks.values()].filter((task) =>
    task.parent === orchestrator && isLive(task)
  );
  settle(state, live.map((task) => end(state, task, "Cancelled")));
}

/**
 * Nothing comes of the queued children of one that has failed; those that run
 * finish, and found late, what an operator has requeued runs.
 */
export function failChildren(
  state: State,
  orchestrator: number,
  isLate = false,
): void {
  if (!state.failsSiblings || !state.families.has(orchestrator)) return;
  const queued = [...state.tasks.values()].filter((task) =>
    task.parent === orchestrator && task.status === "Queued" &&
    !(isLate && task.putBackAt !== null)
  );
  settle(state, queued.map((task) => end(state, task, "Failed")));
}

/** What waits for a task that cannot come any more cannot run, either. */
function loseDependants(
  state: State,
  lost: Task,
  to: "Failed" | "Cancelled",
): void {
  for (const task of state.tasks.values()) {
    if (
      task.dependsOn.includes(lost.id) && task.owner === lost.owner &&
      task.status === "Queued"
    ) settle(state, [end(state, task, to)]);
  }
}
