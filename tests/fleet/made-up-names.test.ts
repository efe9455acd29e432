/**
 * A worker started without `--debug` that runs a direct type calls its task
 * `unknown_task_<epoch>`, in its calls and in its logs: contract 3.5 and 5.
 */
import { afterEach, beforeEach, expect, it } from "vitest";
import { beatBody, curl, type LogLine } from "../support/beats.ts";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import { createOwner, readTask, reset } from "../support/world.ts";
import { claimOfMarch, taskOf } from "./clients/claims.ts";
import { Wire } from "./clients/wire.ts";

const BEAT = "func_worker_heartbeat_with_logs";
const W = "gpu-20260111_120000-0a1b2c3d";
const MADE_UP = "unknown_task_1768132800";

let wire: Wire;
let task: string;

beforeEach(async () => {
  await reset();
  wire = new Wire(stack().apiUrl);
  task = await createTask(await createOwner(), {
    task_type: "vace",
    params: { prompt: "a fairground at dusk" },
  });
  expect(taskOf(await claimOfMarch(wire, W))).toBe(task);
});
afterEach(resetClock);

it("its long task stays its own, and is completed in its first start", async () => {
  const billing = await wire.edge("update-task-status", {
    task_id: MADE_UP,
    status: "In Progress",
    reset_generation_started_at: true,
  });
  expect(billing.status).toBe(400);
  await workFor(40, (minute) => [
    { message: `Denoising ${minute}`, task_id: MADE_UP },
    { message: "Memory is fine", task_id: null },
  ]);
  expect(await readTask(task)).toMatchObject({
    status: "In Progress",
    worker_id: W,
    attempts: 1,
  });

  const output_location = "https://results.example/fairground.mp4";
  const done = await wire.edge("complete_task", {
    task_id: task,
    output_location,
  });
  expect(done.status, done.text).toBe(200);
  expect(await readTask(task)).toMatchObject({
    status: "Complete",
    attempts: 1,
  });
});

it("a task by whose params.task_id it logs stays its own, too", async () => {
  await admin()`
    update public.tasks set params = '{"task_id": "fairground_7"}' where id = ${task}
  `;
  await workFor(16, () => [{ message: "Denoising", task_id: "fairground_7" }]);
  expect(await readTask(task)).toMatchObject({
    status: "In Progress",
    attempts: 1,
  });
});

it("a claim whose reply was lost is requeued, although its worker sends heartbeats", async () => {
  await workFor(16, () => [{ message: "Waiting for tasks", task_id: null }]);
  expect(await readTask(task)).toMatchObject({
    status: "Queued",
    worker_id: null,
    attempts: 0,
  });
});

/** The guardian beats, here once a minute, while the queue looks for the dead. */
async function workFor(
  minutes: number,
  logs: (minute: number) => readonly LogLine[],
): Promise<void> {
  for (let minute = 1; minute <= minutes; minute++) {
    await stepClock("1 minute");
    const beat = await curl(BEAT, beatBody(W, logs(minute)));
    expect(beat.json, beat.text).toMatchObject({ success: true });
    await admin()`select fairlane_core.rescue()`;
  }
}
