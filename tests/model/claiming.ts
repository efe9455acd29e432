import type { Claim } from "./commands.ts";
import { end, settle, startsAllowed } from "./endings.ts";
import { needsNoWorker } from "./families.ts";
import { letGo } from "./holding.ts";
import { isServed, KINDS } from "./kinds.ts";
import { LATE_REPEAT, MAX_FREE_RETURNS } from "./numbers.ts";
import { next } from "./one-rule.ts";
import { type Held, type State, type Task, workerName } from "./state.ts";

/** What a claim is answered with: a task, nothing, or a refusal. */
export type ClaimAnswer = number | null | string;

/**
 * Answers a claim. Users may take turns in more ways than one: the task that
 * the queue has chosen is taken, if it is one that may be chosen.
 */
export function claim(
  state: State,
  command: Claim,
  chosen: unknown,
): ClaimAnswer {
  const { by, pool, claimId } = command;
  const worker = workerName(by, command.worker);
  const token = by === "service" ? null : by;
  const row = state.workers.get(worker);
  const status = row?.status ?? "active";
  if (
    ["terminating", "terminated", "error"].includes(status) &&
    row?.hasLeft !== true
  ) {
    return "409 WORKER_NOT_ELIGIBLE";
  }

  const own = [...state.tasks.values()]
    .filter((task) => task.worker === worker && task.token === token);
  const answered = claimId === null
    ? undefined
    : own.find((task) => task.claimId === claimId);
  if (answered !== undefined) {
    const isRepeat = answered.status === "In Progress" &&
      isServed(answered.kind, { pool, token }) && !answered.isHandedOver;
    if (!isRepeat) return "409 CLAIM_ID_USED";
    if (answerAgain(state, answered)) return answered.id;
  }
  // Neither its goodbye nor its crash binds anybody: it has come back.
  if (row !== undefined && (row.hasLeft || row.status === "crashed")) {
    row.status = "active";
    row.hasLeft = false;
  }

  // A gpu worker runs one task: it has let go of what others have ended, and
  // orchestrates nothing any more, but what it may never have heard of.
  if (pool === "gpu") {
    // With a token it may run more, for other pools: then the oldest start is meant.
    const running = own.filter(({ status }) => status === "In Progress")
      .toSorted((one, other) =>
        (one.claimedAt ?? 0) - (other.claimedAt ?? 0) || one.id - other.id
      );
    const orchestrated = running.filter(({ kind }) =>
      !KINDS[kind].takesSlot && KINDS[kind].pool === pool
    );
    const again = running.find(({ kind }) =>
      KINDS[kind].takesSlot && isServed(kind, { pool, token })
    ) ?? lastUnheardOf(state, orchestrated);
    for (const task of orchestrated) {
      if (task !== again) {
        task.isHandedOver = true;
      }
    }
    letGo(
      state,
      (held) =>
        held.worker === worker && held.token === token &&
        (held.pool === pool || runsOnOwnGpu(state, held)),
    );
    if (again !== undefined && holdAgain(state, again, claimId)) {
      return again.id;
    }
  }

  const free = next(state, { owner: token, pool });
  const task = free.find(({ id }) => id === chosen) ?? free[0];
  if (task === undefined) return null;
  task.worker = worker;
  task.token = token;
  task.holders.add(worker);
  state.starts += 1;
  task.startsOf.set(worker, { start: state.starts, token, isOver: false });
  start(state, task, claimId);
  return task.id;
}

/** The same claim once more: free so often, and only until it was delivered. */
function answerAgain(state: State, task: Task): boolean {
  const isYoung = (task.claimedAt ?? 0) > state.now - LATE_REPEAT;
  if (task.claimRepeats < MAX_FREE_RETURNS && (!task.isDelivered || isYoung)) {
    task.claimRepeats += 1;
    task.updatedAt = state.now;
    return true;
  }
  return startAgain(state, task, task.claimId);
}

/** Whether a user's GPU machine ran it for another pool. */
function runsOnOwnGpu(state: State, { task, token }: Held): boolean {
  const kind = state.tasks.get(task)?.kind;
  return kind !== undefined && isServed(kind, { pool: "gpu", token });
}

/** The last that was handed out, if nothing has been heard of it since. */
function lastUnheardOf(
  state: State,
  orchestrated: readonly Task[],
): Task | undefined {
  return orchestrated.filter((task) =>
    !task.isDelivered && !task.isHandedOver && !needsNoWorker(state, task) &&
    ![...state.tasks.values()].some((child) =>
      child.parent === task.id && child.createdAt >= (task.claimedAt ?? 0)
    )
  ).toSorted((one, other) =>
    (other.claimedAt ?? 0) - (one.claimedAt ?? 0) || one.id - other.id
  )[0];
}

/** The reply was lost, or the worker died and came back under its name. */
function holdAgain(
  state: State,
  held: Task,
  claimId: number | null,
): boolean {
  if (!held.isDelivered && held.freeReturns < MAX_FREE_RETURNS) {
    held.freeReturns += 1;
    held.claimId = claimId;
    held.claimedAt = state.now;
    held.updatedAt = state.now;
    return true;
  }
  return startAgain(state, held, claimId);
}

/** A second start by its holder, or its end after the last one. */
function startAgain(
  state: State,
  task: Task,
  claimId: number | null,
): boolean {
  if (task.attempts >= startsAllowed(task)) {
    // The claim goes on under its claim_id.
    if (task.claimId === claimId) task.claimId = null;
    state.letGo = [task.id];
    settle(state, [end(state, task, "Failed")]);
    return false;
  }
  start(state, task, claimId);
  return true;
}

function start(state: State, task: Task, claimId: number | null): void {
  task.status = "In Progress";
  task.isHandedOver = false;
  task.claimId = claimId;
  task.attempts += 1;
  const { worker, token, attempts: attempt } = task;
  task.lastStart = { worker, token, attempt };
  task.hasLease = true;
  task.claimedAt = state.now;
  task.isDelivered = false;
  task.updatedAt = state.now;
}
