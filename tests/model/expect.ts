import { expect } from "vitest";
import { placeOf, taskId } from "./worlds/ids.ts";
import type { Caller } from "./worlds/model.ts";
import { startsAllowed } from "./endings.ts";
import { KINDS } from "./kinds.ts";
import { MAX_FREE_RETURNS } from "./numbers.ts";
import { countsFor, runningOf, standingOf } from "./one-rule.ts";
import type { Seen } from "./play.ts";
import type { State, Task } from "./state.ts";
import type { Step } from "./step.ts";

/** Whether the queue is as the model says. */
export function expectAgreement(
  state: State,
  answer: unknown,
  seen: Seen,
  asking: Caller | undefined,
): void {
  if (answer !== undefined) {
    const task = typeof answer === "number" ? taskId(answer) : answer;
    expect(seen.answer, "answer").toEqual(task);
  } else expect(seen.answer, "answer").toBeNull();

  const tasks = [...state.tasks.values()].map((task) => [
    taskId(task.id),
    task.status,
    task.attempts,
    task.worker,
    task.status === "Complete" ? task.output : "no result",
    task.generation === undefined ? [] : [task.generation],
  ]);
  // Before its end, and after a failure, the output is a text for people.
  const found = seen.tasks.map((
    [id, status, attempts, worker, output, made],
  ) => [
    ...[id, status, attempts, worker],
    ...[status === "Complete" ? output : "no result", made],
  ]);
  expect(found, "tasks").toEqual(tasks);

  for (const [id, , , , , , readiness] of seen.tasks) {
    const task = state.tasks.get(placeOf(id) ?? -1);
    if (task !== undefined) expectStanding(state, task, readiness);
  }

  if (seen.counts === null || asking === undefined) return;
  const { told, drift, families } = seen.counts;
  expect(drift, "drift").toEqual([]);
  expect(families, "counts of families").toEqual([]);
  expect({
    claimable: told.totals.queued_only,
    active: told.totals.active_only,
    blocked: told.blocked,
  }, `counts told to ${JSON.stringify(asking)}`)
    .toEqual(countsFor(state, asking));
}

/** Time alone writes no row: until the sweep these two may be behind. */
function expectStanding(
  state: State,
  task: Task,
  readiness: string | null,
): void {
  const isBehind = readiness === "not_yet"
    ? (task.dueAt ?? 0) <= state.now
    : readiness === "ready";
  const now = standingOf(state, task);
  if (isBehind && (readiness === "not_yet" || now === "stale")) return;
  expect(readiness, `readiness of task ${task.id}`).toBe(now);
}

const FINAL = ["Complete", "Failed", "Cancelled"];

/** What is promised whatever the model says: asked of what was seen alone. */
export function expectPromises(
  { command }: Step,
  state: State,
  before: Seen | undefined,
  after: Seen,
): void {
  // A replaced child is requeued when the one that had replaced it is deleted.
  const mayReturn = ["requeue", "delete"].includes(command.do);
  const earlier = new Map(before?.tasks.map((task) => [task[0], task]));
  for (const [id, status, attempts, , output, generations] of after.tasks) {
    expect(generations.length, "generations of a task").toBeLessThanOrEqual(1);
    if (generations.length > 0) expect(generations[0]).toBe(output);
    const was = earlier.get(id);
    if (was === undefined) continue;
    if (FINAL.includes(was[1]) && !(mayReturn && was[1] !== "Complete")) {
      expect(status, `${id} stays as it ended`).toBe(was[1]);
    }
    const task = state.tasks.get(placeOf(id) ?? -1);
    // A late result brings back the number of its start.
    if (attempts > was[2] && status !== "Complete" && task !== undefined) {
      expect(command.do, "only a claim starts a task").toBe("claim");
      expect(attempts, `starts of ${id}`)
        .toBeLessThanOrEqual(startsAllowed(task));
      // A second start of what runs already takes no further slot.
      if (was[1] === "In Progress" || !KINDS[task.kind].takesSlot) continue;
      expect(runningOf(state, task.owner), "running")
        .toBeLessThanOrEqual(state.limits[task.owner] ?? 0);
    }
  }
}

/** However often it is asked for, and by whom, and handed back: once it is put in line a task has so many tries. */
export function expectBounded(
  { command }: Step,
  state: State,
  { answer }: Seen,
  handedOut: Map<string, number>,
): void {
  if (["requeue", "delete"].includes(command.do)) handedOut.clear();
  const task = state.tasks.get(placeOf(answer) ?? -1);
  if (command.do !== "claim" || answer === null || task === undefined) return;
  const times = (handedOut.get(answer) ?? 0) + 1;
  handedOut.set(answer, times);
  expect(times, `${answer} handed out`)
    .toBeLessThanOrEqual(startsAllowed(task) + 2 * MAX_FREE_RETURNS);
}
