import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WorkerHealthReply } from "../../../shared/worker-health.ts";
import { resetClock, stepClock } from "../../support/clock.ts";
import { admin } from "../../support/db.ts";
import {
  beat,
  claimAs,
  runJob,
  spawnWorker,
  storyOf,
} from "../../support/fleet.ts";
import { callFunction } from "../../support/http.ts";
import { expectOk } from "../../support/replies.ts";
import { rest } from "../../support/rest.ts";
import { stack } from "../../support/stack.ts";
import { createTask } from "../../support/fleet-tasks.ts";
import { createOwner, readTask, reset } from "../../support/world.ts";

// 2025-10-10: a join_clips task failed after 4 min 25 s. Its reason went into
// output_location, error_message was NULL, and between start and end there were
// beats every 20 s and not one log line.

const WORKER = "gpu-20251010_120000-0000beef";
const REASON = "Failed to create guide/mask videos: " +
  "create_guide_and_mask returned None or file doesn't exist";
const PAYLOAD = JSON.parse(readFileSync(
  new URL("../payloads/silent-join-clips.json", import.meta.url),
  "utf8",
)) as { task_type: string; params: unknown };

let task: string;

beforeAll(async () => {
  await reset();
  await stepClock("1 hour");
  task = await createTask(await createOwner(), {
    task_type: PAYLOAD.task_type,
    params: PAYLOAD.params,
  });
  await spawnWorker(WORKER);
  await beat(WORKER);
  expect((await claimAs(WORKER))?.task_id).toBe(task);
  for (let beats = 0; beats < 13; beats++) {
    await stepClock("20 seconds");
    await beat(WORKER);
  }
  const reply = await callFunction("update-task-status", {
    task_id: task,
    status: "Failed",
    output_location: REASON,
  }, { key: stack().serviceRoleKey });
  expect(reply.status, reply.text).toBe(200);
});

afterAll(resetClock);

describe("a failure reported only in output_location", () => {
  it("is in error_message, and still where deployed clients look", async () => {
    expect(await readTask(task)).toMatchObject({
      status: "Failed",
      error_message: REASON,
      output_location: REASON,
    });
  });

  it("leaves a history: the claim, heartbeats until the end, no log line", async () => {
    expect(await storyOf(task)).toEqual([
      "- -> Queued: created",
      "Queued -> In Progress: ",
      `In Progress -> Failed: ${REASON}`,
    ]);
    const [end] = await admin()<{ signs: Record<string, unknown> }[]>`
      select details -> 'signs' as signs
      from public.task_events
      where task_id = ${task} and to_status = 'Failed'
    `;
    expect(end?.signs).toMatchObject({
      beats: true,
      log_lines: 0,
      // What the tests themselves took is in it.
      running_seconds: expect.closeTo(260, -1),
      seconds_since_last_beat: expect.closeTo(0, -1),
    });
  });
});

describe("no way to a failure without a reason", () => {
  it.each([
    ["update-task-status", { status: "Failed" }],
    ["mark-task-failed", { retryable: false }],
  ])("%s gives one", async (name, fields) => {
    const other = await createTask(await createOwner());
    await claimAs("gpu-20251010_130000-0000cafe");
    const body = { task_id: other, ...fields };
    await callFunction(name, body, { key: stack().serviceRoleKey });
    expect(await readTask(other)).toMatchObject({
      status: "Failed",
      error_message: expect.stringMatching(/\S/),
    });
  });

  it.each([{}, { error_message: null }, { output_location: "" }])(
    "a direct PATCH with %o gives one",
    async (fields) => {
      const other = await createTask(await createOwner());
      await claimAs("gpu-20251010_130000-0000cafe");
      const reply = await rest("PATCH", "tasks", { id: `eq.${other}` }, {
        body: { status: "Failed", ...fields },
      });
      expect(reply.status, reply.text).toBe(200);
      expect(await readTask(other)).toMatchObject({
        status: "Failed",
        error_message: expect.stringMatching(/\S/),
      });
    },
  );
});

describe("a task without news while its worker sends heartbeats", () => {
  it("is flagged, and left to its worker", async () => {
    const id = await createTask(await createOwner());
    const worker = "gpu-20251010_140000-0000f00d";
    await spawnWorker(worker);
    await beat(worker);
    expect((await claimAs(worker))?.task_id).toBe(id);
    await beat(worker, [{ message: "Loading the model", task_id: id }]);
    for (let minutes = 0; minutes < 21; minutes++) {
      await stepClock("1 minute");
      await beat(worker);
      await runJob("rescue");
    }

    const reply = await callFunction("worker-health", {}, {
      key: stack().serviceRoleKey,
    });
    expect(expectOk(reply, WorkerHealthReply).workers).toContainEqual(
      expect.objectContaining({
        worker_id: worker,
        health: "stuck_task",
        current_task_id: id,
      }),
    );
    const view = await rest("GET", "orchestrator_status", {
      select: "stuck_tasks",
    });
    expect(view.json).toEqual([{ stuck_tasks: 1 }]);
    expect(await readTask(id)).toMatchObject({
      status: "In Progress",
      worker_id: worker,
      attempts: 1,
    });
  });
});
