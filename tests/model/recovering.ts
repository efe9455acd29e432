import type { Beat, Job, SetWorker } from "./commands.ts";
import { cleanUp } from "./cleaning-up.ts";
import {
  cancelChildren,
  end,
  failChildren,
  judge,
  type Moved,
  putBack,
  settle,
} from "./endings.ts";
import { childrenOf, isQuiet, needsNoWorker } from "./families.ts";
import { freeHeld, letGo } from "./holding.ts";
import { KINDS } from "./kinds.ts";
import {
  API_SILENCE,
  FAMILY_QUIET,
  GPU_SILENCE,
  TOKEN_SILENCE,
  UNDELIVERED,
} from "./numbers.ts";
import { isLive, type State, type Task, workerName } from "./state.ts";

const ENDED = ["terminated", "error", "crashed"];

/** Runs one of the jobs. */
export function runJob(state: State, job: Job): void {
  if (job === "rescue") rescue(state);
  if (job === "cleanup") cleanUp(state);
  if (job === "mend families") mendFamilies(state);
  // The sweep only writes down what the rule says anyway.
}

/** A beat shows that the worker lives, and that what it names has arrived. */
export function beat(state: State, command: Beat, named: number | null): void {
  const name = workerName("service", command.worker);
  const worker = state.workers.get(name) ??
    { status: "active", lastBeat: null, isReaped: false, hasLeft: false };
  state.workers.set(name, worker);
  worker.lastBeat = state.now;
  const isFinal = ["terminating", "terminated"].includes(worker.status) ||
    (worker.status === "error" && !worker.isReaped);
  if (command.says === "active") {
    if (!isFinal || worker.hasLeft) setStatus(state, name, "active");
  } else if (!isFinal) {
    setStatus(state, name, command.says, command.says === "terminated");
  } else if (worker.status === "terminating") {
    const handsBack = command.says === "terminated";
    state.areOver = handsBack ? "all" : "none";
    putAllBack(state, heldBy(state, name), handsBack);
    letGo(state, (held) => held.worker === name && held.token === null);
    return;
  }
  if (ENDED.includes(worker.status)) return;

  for (const task of heldBy(state, name)) {
    task.updatedAt = state.now;
    if (task.id === named) {
      task.isDelivered = true;
      task.reportedAt = state.now;
    }
  }
}

/** Somebody writes the status of a worker that has a row. */
export function setWorker(state: State, { worker, to }: SetWorker): void {
  const name = workerName("service", worker);
  const row = state.workers.get(name);
  if (row === undefined) return;
  // A promotion that comes late hides no end: a living worker says so itself.
  const isLate = row.isReaped || row.hasLeft || row.status === "crashed";
  if (to === "active" && isLate) return;
  setStatus(state, name, to);
}

/** One that has ended gives its work back at once. */
function setStatus(
  state: State,
  name: string,
  to: string,
  hasLeft = false,
): void {
  const worker = state.workers.get(name);
  if (worker === undefined) return;
  const hasJustEnded = ENDED.includes(to) && worker.status !== to;
  worker.status = to;
  worker.isReaped = false;
  worker.hasLeft = hasLeft;
  if (!hasJustEnded) return;
  state.areOver = hasLeft || to === "crashed" ? "all" : "none";
  putAllBack(state, heldBy(state, name), hasLeft);
  letGo(state, (held) => held.worker === name && held.token === null);
}

function heldBy(state: State, worker: string): Task[] {
  return [...state.tasks.values()].filter((task) =>
    task.worker === worker && task.token === null &&
    task.status === "In Progress"
  );
}

function putAllBack(
  state: State,
  tasks: readonly Task[],
  areHandedBack: boolean,
): void {
  const lost = tasks.filter((task) => !needsNoWorker(state, task));
  const moved = lost.flatMap((task) => putBack(state, task, areHandedBack));
  // What follows from it says nothing of other workers.
  state.areOver = "none";
  settle(state, moved);
}

/** Takes work back from those who will not finish it. */
function rescue(state: State): void {
  const moved: Moved[] = [];
  const silent = new Set<string>();
  const lost = [...state.tasks.values()].filter((task) =>
    task.status === "In Progress" && !needsNoWorker(state, task)
  ).map((task) => ({ task, cause: causeOfLoss(state, task) }));
  for (const { task, cause } of lost) {
    if (cause === null) continue;
    if (cause === "worker silent") silent.add(task.worker ?? "");
    // Who only takes too long may be at work still.
    state.letGo = cause === "timed out" ? [] : [task.id];
    const { status, hasLeft } = state.workers.get(task.worker ?? "") ?? {};
    const isGone = hasLeft || status === "crashed";
    state.areOver = cause === "worker ended" && isGone ? "all" : "none";
    moved.push(
      ...cause === "enqueued nothing"
        ? [end(state, task, "Failed")]
        : putBack(state, task, cause === "never delivered"),
    );
  }
  for (const name of silent) {
    const worker = state.workers.get(name);
    // One that is going already goes on going.
    if (worker === undefined || worker.status === "terminating") continue;
    worker.status = "error";
    worker.isReaped = true;
  }
  state.areOver = "none";
  settle(state, moved);
  freeHeld(state);
}

function causeOfLoss(state: State, task: Task): string | null {
  const worker = task.token === null
    ? state.workers.get(task.worker ?? "")
    : undefined;
  const startedAt = task.claimedAt ?? 0;
  const lastReport = Math.max(startedAt, task.reportedAt ?? startedAt);
  const lastSign = Math.max(lastReport, worker?.lastBeat ?? lastReport);
  const { timeout, pool } = KINDS[task.kind];
  const isOver = (from: number, seconds: number) => from < state.now - seconds;

  if (worker !== undefined && ENDED.includes(worker.status)) {
    return "worker ended";
  }
  if (timeout !== null && isOver(startedAt, timeout)) return "timed out";
  if (task.token !== null) {
    if (isOver(lastReport, TOKEN_SILENCE)) return "machine silent";
  } else if (pool === "api") {
    if (isOver(lastSign, API_SILENCE)) return "silent";
  } else if (isOver(lastSign, GPU_SILENCE)) {
    return "worker silent";
  } else if (!task.isDelivered && isOver(startedAt, UNDELIVERED)) {
    return "never delivered";
  }

  // Nobody is at work on it, and no child will end it.
  const family = state.families.get(task.id);
  if (
    !task.isHandedOver || childrenOf(state, task).length > 0 ||
    !isOver(Math.max(lastReport, family?.changedAt ?? 0), FAMILY_QUIET)
  ) return null;
  return family?.enqueuedAttempt === task.attempts
    ? "enqueued nothing"
    : "left behind";
}

/** Ends what was missed. */
function mendFamilies(state: State): void {
  const orchestrators = [...state.tasks.values()]
    .filter((task) => state.families.has(task.id))
    .toSorted((one, other) => one.owner - other.owner || one.id - other.id);
  for (const task of orchestrators) {
    if (task.status === "Cancelled") {
      // A child that another one has replaced is nobody's: if an operator puts
      // it back, no family is looked through for it.
      if (childrenOf(state, task).some(isLive)) cancelChildren(state, task.id);
    } else if (task.status === "Failed") {
      if (childrenOf(state, task).some(isLive)) {
        failChildren(state, task.id, true);
      }
    } else judge(state, task, isQuiet(state, task));
  }
}
