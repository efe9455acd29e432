import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resetClock, stepClock } from "../../support/clock.ts";
import { admin } from "../../support/db.ts";
import { beat, claimAs, spawnWorker, storyOf } from "../../support/fleet.ts";
import { callFunction } from "../../support/http.ts";
import { stack } from "../../support/stack.ts";
import {
  createOwner,
  createTask,
  readTask,
  reset,
} from "../../support/world.ts";

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

  it("leaves a story: the claim, beats until the end, no log line", async () => {
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
      running_seconds: 260,
      seconds_since_last_beat: 0,
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
});
