import {
  cancelChildren,
  complete,
  end,
  queueAgain,
  settle,
  startsAllowed,
} from "./endings.ts";
import { childrenOf, isEnqueued } from "./families.ts";
import { hold } from "./holding.ts";
import { KINDS } from "./kinds.ts";
import { MAX_ATTEMPTS } from "./numbers.ts";
import { isLive, type State, type Task } from "./state.ts";

// An orchestrator that runs again enqueues its children again, under new ids.

/** Lets a new child take the place of the one that is the same part. */
export function takePart(state: State, task: Task): void {
  const old = samePart(state, task);
  if (old !== undefined && !waitsFor(state, task, old.id)) {
    replace(state, old, task);
  }
}

/** Out of a final state: the starts so far stay counted. */
export function requeue(state: State, task: Task, allowsMore: boolean): void {
  if (allowsMore) {
    task.maxAttempts = task.attempts +
      (KINDS[task.kind].maxAttempts ?? MAX_ATTEMPTS);
  }
  task.freeReturns = 0;
  task.claimRepeats = 0;
  task.putBackAt = state.now;
  queueAgain(state, task);
}

/** The child that was this part of the family until now. */
function samePart(state: State, task: Task): Task | undefined {
  if (task.part === null) return undefined;
  return [...state.tasks.values()].findLast((other) =>
    other.id !== task.id && other.parent === task.parent &&
    other.part === task.part && other.kind === task.kind &&
    other.replacedBy === null
  );
}

function waitsFor(state: State, task: Task, id: number): boolean {
  return task.dependsOn.some((other) => {
    const between = state.tasks.get(other);
    return other === id ||
      (between !== undefined && between.owner === task.owner &&
        waitsFor(state, between, id));
  });
}

/** What is done stays done; else the new child takes the place of the old one. */
function replace(state: State, old: Task, task: Task): void {
  if (old.status === "Complete") {
    task.replacedBy = old.id;
    task.claimedAt = state.now;
    settle(state, [complete(state, task, old.output)]);
    return;
  }
  for (const other of state.tasks.values()) {
    if (other.replacedBy === old.id) other.replacedBy = task.id;
  }
  old.replacedBy = task.id;
  moveDependants(state, old, task.id);
  if (isLive(old)) settle(state, [end(state, old, "Cancelled")]);
}

/** Also of those that were replaced: they may be requeued. */
function moveDependants(state: State, from: Task, to: number): void {
  for (const task of state.tasks.values()) {
    if (
      task.dependsOn.includes(from.id) && task.owner === from.owner &&
      (task.status === "Queued" || task.replacedBy !== null) && task.id !== to
    ) {
      task.dependsOn = [
        ...new Set(task.dependsOn.map((id) => id === from.id ? to : id)),
      ];
    }
  }
}

/** Takes a task away, as clients do with what they think is a duplicate. */
export function remove(state: State, task: Task): void {
  const parent = state.tasks.get(task.parent ?? -1);
  const family = state.families.get(task.parent ?? -1);
  if (
    task.replacedBy === null && parent?.status === "In Progress" &&
    family !== undefined && isEnqueued(state, parent)
  ) family.enqueuedAttempt = parent.attempts;

  hold(state, task);
  state.tasks.delete(task.id);
  if (task.replacedBy !== null) moveDependants(state, task, task.replacedBy);
  else leaveFamily(state, task);
  cancelChildren(state, task.id);
  state.families.delete(task.id);
  settle(state, [{ task, to: "deleted" }]);

  // It had them all, and nothing is left that could end it.
  if (
    task.replacedBy === null && parent?.status === "In Progress" &&
    family?.enqueuedAttempt === parent.attempts &&
    childrenOf(state, parent).length === 0
  ) settle(state, [end(state, parent, "Cancelled")]);
}

/** The child that it had replaced counts again. */
function leaveFamily(state: State, gone: Task): void {
  const family = state.families.get(gone.parent ?? -1);
  if (family !== undefined) family.changedAt = state.now;
  const replaced = [...state.tasks.values()]
    .filter((task) => task.replacedBy === gone.id)
    .toSorted((one, other) => one.id - other.id);
  const heir = replaced.find(({ status }) => status === "Complete") ??
    replaced[0];
  if (heir === undefined) return;

  for (const task of replaced) task.replacedBy = heir.id;
  heir.replacedBy = null;
  moveDependants(state, gone, heir.id);
  const parent = state.tasks.get(gone.parent ?? -1);
  const isOver = parent !== undefined && !isLive(parent);
  if (heir.status === "Cancelled" && !isOver) {
    requeue(state, heir, heir.attempts >= startsAllowed(heir));
    settle(state, [{ task: heir, to: "Queued" }]);
  }
}
