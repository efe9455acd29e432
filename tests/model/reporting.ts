import type { Report, Speaker } from "./commands.ts";
import {
  complete,
  end,
  judge,
  putBack,
  queueAgain,
  settle,
  startsAllowed,
} from "./endings.ts";
import { letGo } from "./holding.ts";
import { KINDS } from "./kinds.ts";
import { GPU_SILENCE, RETRY_DELAY } from "./numbers.ts";
import type { State, Task } from "./state.ts";

const ILLEGAL = "409 ILLEGAL_TRANSITION";
const SET_ASIDE = ["terminating", "terminated", "error", "crashed"];
const NOT_THE_HOLDER = "409 NOT_THE_HOLDER";

/** What a report is answered with: the task's status, or a refusal. */
export function report(
  state: State,
  command: Report,
  task: Task | undefined,
  output: string,
): string {
  if (task === undefined || !mayReach(command.by, task)) {
    return "404 TASK_NOT_FOUND";
  }
  const hasLease = command.lease !== "none";
  if (hasLease && !(command.lease === "current" && task.hasLease)) {
    return "409 LEASE_LOST";
  }
  // Those that only name it may not be the ones that run it.
  const isHolder =
    task.token === (command.by === "service" ? null : command.by);
  const mayEnd = command.do !== "cancel" || hasLease ||
    command.by !== "service";
  state.letGo = isHolder && mayEnd ? [task.id] : [];
  const wasRunning = task.status === "In Progress";
  const answer = say(state, command, task, hasLease, output);
  const ends = command.do === "complete" || command.do.startsWith("fail");
  if (ends && !wasRunning && !answer.startsWith("409")) {
    letGo(state, (held) =>
      held.task === task.id &&
      held.token === (command.by === "service" ? null : command.by));
  }
  return answer;
}

function say(
  state: State,
  command: Report,
  task: Task,
  hasLease: boolean,
  output: string,
): string {
  switch (command.do) {
    case "complete":
      return reportComplete(state, task, hasLease, output);
    case "fail":
      return reportFailure(state, command, task, false);
    case "fail, try again":
      if (isAnothers(command.by, task)) return task.status;
      return reportFailure(state, command, task, true);
    case "fail, once more":
      if (isAnothers(command.by, task)) return task.status;
      return reportFailure(state, command, task, true, 0);
    case "report progress":
      if (isAnothers(command.by, task)) return NOT_THE_HOLDER;
      return reportProgress(state, task);
    case "hand back":
      if (isAnothers(command.by, task)) return NOT_THE_HOLDER;
      return handBack(state, task);
    case "cancel":
      return cancel(state, task);
  }
}

/** A token reaches its owner's tasks. */
function mayReach(by: Speaker, task: Task): boolean {
  return by === "service" || by === task.owner;
}

/** Whether somebody runs it who is not the one who speaks; the fleet is one. */
function isAnothers(by: Speaker, task: Task): boolean {
  return task.status === "In Progress" && by !== "service" && task.token !== by;
}

function reportComplete(
  state: State,
  task: Task,
  hasLease: boolean,
  output: string,
): string {
  const isLate = task.status === "Queued" && task.claimedAt !== null;
  if (task.status === "In Progress" || isLate) {
    settle(state, [complete(state, task, output)]);
  } else if (task.status === "Queued") return ILLEGAL;
  else if (hasLease && task.status !== "Complete") return ILLEGAL;
  return task.status;
}

function reportFailure(
  state: State,
  { by, lease }: Report,
  task: Task,
  mayRetry: boolean,
  wait = RETRY_DELAY,
): string {
  const hasLease = lease !== "none";
  const applies = task.status === "In Progress"
    ? !(isAnothers(by, task) && hadTask(by, task))
    : task.status === "Queued" && !mayRetry;
  const mayBeAnothers = !hasLease && (
    task.status === "Queued"
      ? hadLiveHolder(state, task)
      : by === "service" && mayBeFormerHolders(state, task)
  );
  if (applies && !mayBeAnothers) {
    if (
      mayRetry && task.attempts < startsAllowed(task) &&
      KINDS[task.kind].isRetryable
    ) {
      saysNoMore(task);
      queueAgain(state, task);
      if (wait > 0) task.dueAt = state.now + wait;
    } else settle(state, [end(state, task, "Failed")]);
  } else if (hasLease && task.status === "Cancelled") return ILLEGAL;
  else if (applies && task.status === "In Progress" && task.token === null) {
    // It was the holder, perhaps: then its next claim is a start.
    if (!task.isDelivered) task.updatedAt = state.now;
    task.isDelivered = true;
  }
  return task.status;
}

/** A token that has lost the task speaks of the start that it had. */
function hadTask(by: Speaker, task: Task): boolean {
  return [...task.startsOf.values()].some(({ token }) => token === by);
}

/** Who has told how its start went speaks of it no more. */
function saysNoMore(task: Task): void {
  if (task.worker !== null) task.holders.delete(task.worker);
}

/** Of a task that waits again only those speak that had it before. */
function hadLiveHolder(state: State, task: Task): boolean {
  return [...task.holders].some((holder) => beats(state, holder));
}

/** Whether another one that had the task may be at work on it still. */
function mayBeFormerHolders(state: State, task: Task): boolean {
  return [...task.startsOf].some(([worker, { start, isOver }]) =>
    worker !== task.worker && !isOver && beats(state, worker) &&
    !SET_ASIDE.includes(state.workers.get(worker)?.status ?? "") &&
    !hasMovedOn(state, task, worker, start)
  );
}

function beats(state: State, worker: string): boolean {
  const lastBeat = state.workers.get(worker)?.lastBeat ?? null;
  return lastBeat !== null && lastBeat > state.now - GPU_SILENCE;
}

/** A gpu worker runs one task: it was given another one since. */
function hasMovedOn(
  state: State,
  task: Task,
  worker: string,
  start: number,
): boolean {
  const { pool } = KINDS[task.kind];
  return pool === "gpu" && [...state.tasks.values()].some((other) => {
    const last = other.worker === worker
      ? other.startsOf.get(worker)?.start
      : other.lostStarts.get(worker);
    return other !== task && KINDS[other.kind].pool === pool &&
      (last ?? 0) > start;
  });
}

/** With it an orchestrator says that its children are enqueued. */
function reportProgress(state: State, task: Task): string {
  if (task.status !== "In Progress") return ILLEGAL;
  task.isDelivered = true;
  task.reportedAt = state.now;
  task.updatedAt = state.now;
  if (KINDS[task.kind].takesSlot) return task.status;

  const family = state.families.get(task.id);
  if (family?.enqueuedAttempt !== task.attempts) {
    state.families.set(task.id, {
      enqueuedAttempt: task.attempts,
      changedAt: state.now,
    });
  }
  judge(state, task);
  return task.status;
}

function handBack(state: State, task: Task): string {
  if (task.status === "Queued") return task.status;
  if (task.status !== "In Progress") return ILLEGAL;
  const { worker } = task;
  const moved = putBack(state, task, true);
  // After its last start it has failed, which its worker did not say.
  if (worker !== null && moved.length === 0) task.holders.delete(worker);
  settle(state, moved);
  return task.status;
}

function cancel(state: State, task: Task): string {
  if (task.status === "Queued" || task.status === "In Progress") {
    settle(state, [end(state, task, "Cancelled")]);
  }
  return task.status === "Cancelled" ? task.status : ILLEGAL;
}
