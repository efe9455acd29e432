/** What newer clients send and this queue does not use: contract 13, 19. */
import { afterAll, beforeEach, expect, it } from "vitest";
import { HealthReply } from "../../shared/health.ts";
import { UNUSED_FIELDS } from "../../shared/unused-fields.ts";
import { resetClock, stepClock } from "../support/clock.ts";
import { callFunction } from "../support/http.ts";
import { NewInstances } from "../support/new-instances.ts";
import { expectOk } from "../support/replies.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";
import { ROUTE } from "./clients/scaling.ts";

/**
 * An instance writes at most once a minute, and at once what it counts first:
 * those of the stack may have written just now. It answers before it has written.
 */
const WRITTEN = { timeout: 60_000, interval: 50 };

const W = "gpu-20260516_101010-eeee0003";

const instances = new NewInstances();
let owner: Owner;

beforeEach(async () => {
  await resetClock();
  await reset();
  owner = await createOwner();
});
afterAll(() => instances.stop());

afterAll(resetClock);

/** What is sent to each endpoint by a program of the operator's. */
const SENT: Readonly<
  Record<string, (task_id: string) => Record<string, unknown>>
> = {
  // An orchestrator of May counts for its route.
  "task-counts": () => ({ run_type: "gpu", ...ROUTE }),
  // Its API orchestrator uploads.
  "generate-upload-url": (task_id) => ({
    task_id,
    filename: "out.png",
    content_type: "image/png",
    artifact_class: "final",
  }),
  // A worker of 21 January tries again.
  "update-task-status": (task_id) => ({
    task_id,
    status: "Queued",
    attempts: 1,
    error_details: "Retry 1 (network_transient): reset by peer",
    clear_worker: true,
  }),
  // What nobody knows, and no list has.
  "get-completed-segments": () => ({
    run_id: "20260516101010",
    newer_than: "2026-05-16",
  }),
  "explain": () => ({ worker_id: W, of_a_program: 1 }),
};

it("health tells of what changes nothing, and of nothing that a user's machine makes up", async () => {
  const token = await createToken(owner);
  // First, so that it would be what its instance writes.
  const own = { worker_id: "mine", made_up: 1 };
  const reply = await instances.call("explain", own, { key: token });
  expect(reply.status).toBe(200);
  // A user's machine with a worker since 30 March.
  const claim = {
    worker_id: "mine",
    run_type: "gpu",
    same_model_only: true,
    max_task_wait_minutes: 5,
  };
  const key = stack().secretKey;
  expect(
    (await instances.call("claim-next-task", claim, { key: token })).status,
  ).toBe(204);
  const task = await createTask(owner);
  await startTask(task, W);
  for (const [endpoint, body] of Object.entries(SENT)) {
    const { status } = await instances.call(endpoint, body(task), { key });
    expect(status, endpoint).toBe(200);
  }
  await expect.poll(notices, WRITTEN).toEqual({
    "claim-next-task": expect.stringContaining(
      "gets max_task_wait_minutes, same_model_only, which are not used",
    ),
    "task-counts": expect.stringMatching(namesOf("task-counts")),
    "generate-upload-url": expect.stringMatching(
      namesOf("generate-upload-url"),
    ),
    "update-task-status": expect.stringMatching(namesOf("update-task-status")),
    "get-completed-segments": expect.stringContaining(
      "gets newer_than, which is not used",
    ),
    "explain": expect.stringContaining("gets of_a_program, which is not used"),
  });
});

it("health tells of a reset that names its attempt: in how many minutes it came", async () => {
  const putBack = async (attempts: number) => {
    const task = await createTask(owner);
    await startTask(task, "api-worker-main");
    const body = {
      status: "Queued",
      worker_id: null,
      generation_started_at: null,
      generation_processed_at: null,
      attempts,
      error_message: "Reset on startup - orphaned from worker restart",
    };
    const reply = await rest("PATCH", "tasks", { id: `eq.${task}` }, { body });
    expect([reply.status, reply.json]).toMatchObject([200, [{ attempts: 1 }]]);
  };
  await putBack(1);
  expect((await notices())["tasks"]).toBeUndefined();
  for (const _ of ["first", "again"]) {
    await putBack(2);
    expect((await notices())["tasks"])
      .toContain("tasks gets attempts, which is not used (1 times since");
  }
  await stepClock("1 minute");
  await putBack(2);
  expect((await notices())["tasks"]).toContain("(2 times since");
});

it("every endpoint of the list of unused fields is asked here", () => {
  expect(Object.keys(SENT)).toEqual(
    expect.arrayContaining(Object.keys(UNUSED_FIELDS)),
  );
});

/** What health says of fields that change nothing, by endpoint. */
async function notices(): Promise<Record<string, string>> {
  const reply = await callFunction("health", {}, { key: stack().secretKey });
  return Object.fromEntries(
    expectOk(reply, HealthReply).notices
      .filter(({ code }) => code === "FIELD_NOT_USED")
      .map(({ message }) => [message.split(" gets ")[0], message]),
  );
}

/** All fields that are known to be sent there for nothing, in order. */
function namesOf(endpoint: string): RegExp {
  const fields = [...UNUSED_FIELDS[endpoint] ?? []].sort();
  return new RegExp(
    `gets .*${fields.join(".*, .*")}.*, which (?:is|are) not used`,
  );
}
