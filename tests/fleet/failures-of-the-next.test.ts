/**
 * Who had a task before, and how that one ended, is no reason to drop what its
 * present holder says: a failure is counted with its reason, told by the bodies
 * of workers from January on (docs/fleet.md). Only one that may be at work on it
 * still is given the benefit of the doubt.
 */
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { sayGoodbye } from "../support/beats.ts";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { beat, runJob, spawnWorker, storyOf } from "../support/fleet.ts";
import { callFunction, callRpc } from "../support/http.ts";
import { RESET_OF_ORPHANS } from "../support/resets.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";
import {
  askForRetry,
  type Claimed,
  claimOf,
  patchForRetry,
  retryBody,
} from "./clients/retry-since-january.ts";
import { Wire } from "./clients/wire.ts";

const A = "gpu-20260121_101010-dddd0001";
const B = "gpu-20260411_101010-dddd0002";
const ERROR = "ValueError: the real reason";

let owner: Owner;
let task: string;
let wire: Wire;

beforeEach(async () => {
  await resetClock();
  await reset();
  owner = await createOwner();
  task = await createTask(owner);
  wire = new Wire(stack().apiUrl);
  for (const worker of [A, B]) {
    await spawnWorker(worker);
    await beat(worker);
  }
});
afterAll(resetClock);

/** How A, which has started the task, is rid of it; it never tells. */
const ENDS: Readonly<Record<string, () => Promise<unknown>>> = {
  "said goodbye": () => sayGoodbye(A),
  "crashed": () => beat(A, [], "crashed"),
  "said goodbye and is back": async () => {
    await sayGoodbye(A);
    await beat(A);
  },
  "crashed and is back": async () => {
    await beat(A, [], "crashed");
    await beat(A);
  },
  "was sent away and said goodbye": async () => {
    await patchWorker({ status: "terminating" });
    await sayGoodbye(A);
  },
  "was terminated and beats on": async () => {
    await patchWorker({ status: "terminated" });
    await beat(A);
  },
  "gave itself up": async () => {
    const metadata = { error_reason: "FATAL", self_terminated: true };
    await patchWorker({ status: "error", metadata });
    await beat(A);
  },
  "was reset and has another task": async () => {
    await resetByHand();
    const other = await createTask(owner, { priority: 9 });
    expect(await claim(A)).toMatchObject({ task_id: other });
    await beat(A);
  },
  "asked for another try by a PATCH": async () => {
    const body = retryBody({ task_id: task }, "network_transient", "reset");
    expect(await patchForRetry(wire, body)).toHaveLength(1);
  },
  "failed, and an operator put it back": async () => {
    await failed("first");
    const key = { headers: { apikey: stack().serviceRoleKey } };
    const reply = await callRpc("requeue_tasks", { p_task_ids: [task] }, key);
    expect(reply.status, reply.text).toBe(200);
    expect(await readTask(task)).toMatchObject({ status: "Queued" });
  },
};

describe.each(Object.keys(ENDS))("a failure after one that %s", (how) => {
  beforeEach(async () => {
    await claim(A);
    await startsBilling();
    await ENDS[how]?.();
  });

  it("is counted, with its reason, when another try is asked for", async () => {
    const claimed = await claim(B);
    const body = retryBody(claimed, "generation_no_output", ERROR);
    expect(await askForRetry(wire, body))
      .toMatchObject({ status: 200, json: { changed: true } });
    expect(await readTask(task)).toMatchObject({
      status: "Queued",
      attempts: (claimed.attempts ?? 0) + 1,
      error_message: body["error_details"],
    });
  });

  it("is final, with its reason, when it says so", async () => {
    await claim(B);
    expect(await failed(ERROR)).toMatchObject({ changed: true });
    expect(await readTask(task)).toMatchObject({
      status: "Failed",
      error_message: ERROR,
    });
  });
});

describe("a start that never reached its worker", () => {
  beforeEach(async () => {
    await claim(A);
    for (let minutes = 0; minutes <= 16; minutes++) {
      await stepClock("1 minute");
      await beat(A);
      await beat(B);
      await runJob("rescue");
    }
    expect((await storyOf(task)).at(-1)).toContain("has not named the task");
  });

  it("is none: every try of the next one is counted, to the end and its reason", async () => {
    for (const attempts of [0, 1]) {
      await beat(A);
      const claimed = await claim(B);
      expect(claimed).toMatchObject({ attempts });
      const body = retryBody(claimed, "generation_no_output", ERROR);
      await askForRetry(wire, body);
      expect(await readTask(task)).toMatchObject({
        status: "Queued",
        error_details: body["error_details"],
      });
    }
    await claim(B);
    await failed(ERROR);
    expect(await readTask(task)).toMatchObject({
      status: "Failed",
      attempts: 3,
      error_message: ERROR,
    });
  });

  it("was one, if its worker names the task all the same", async () => {
    await claim(B);
    await beat(A, [{ message: "step 3 of 20", task_id: task }]);
    expect(await failed(ERROR)).toMatchObject({ changed: false });
  });
});

describe("a failure while another machine may be at work on the task", () => {
  beforeEach(async () => {
    await claim(A);
    await startsBilling();
    await resetByHand();
  });

  it("is only recorded; then the machine that claims again has had the task, and the end says what was told", async () => {
    for (const starts of [2, 3]) {
      expect(await claim(B)).toMatchObject({ attempts: starts - 1 });
      expect(await failed(`${ERROR} (${starts})`))
        .toMatchObject({ changed: false });
      expect(await readTask(task)).toMatchObject({
        status: "In Progress",
        attempts: starts,
      });
    }
    expect(await claimOf(wire, B)).toBeNull();
    expect(await readTask(task)).toMatchObject({
      status: "Failed",
      attempts: 3,
      error_message: `${ERROR} (3)`,
      output_location: `${ERROR} (3)`,
    });
  });

  it("counts when it says which start it means", async () => {
    const body = retryBody(await claim(B), "generation_no_output", ERROR);
    expect(await askForRetry(wire, body))
      .toMatchObject({ json: { changed: true } });
    expect(await readTask(task)).toMatchObject({ attempts: 2 });
  });

  it("counts when a token tells it, which no machine of the fleet has", async () => {
    const key = await createToken(owner);
    const claimed = { worker_id: "my-pc", run_type: "gpu" };
    const got = await callFunction("claim-next-task", claimed, { key });
    expect(got.json).toMatchObject({ task_id: task });
    const body = { task_id: task, status: "Failed", output_location: ERROR };
    const reply = await callFunction("update-task-status", body, { key });
    expect(reply.json).toMatchObject({ changed: true });
    expect(await readTask(task)).toMatchObject({ error_message: ERROR });
  });
});

async function claim(worker: string): Promise<Claimed> {
  await admin()`update public.tasks set available_at = null where id = ${task}`;
  const claimed = await claimOf(wire, worker);
  if (claimed === null) throw new Error(`Nothing for ${worker}`);
  return claimed;
}

async function failed(text: string): Promise<unknown> {
  const body = { task_id: task, status: "Failed", output_location: text };
  return (await wire.edgeWithRetry("update-task-status", body))?.json;
}

async function startsBilling(): Promise<void> {
  const reply = await wire.edge("update-task-status", {
    task_id: task,
    status: "In Progress",
    reset_generation_started_at: true,
  });
  expect(reply.status, reply.text).toBe(200);
}

async function patchWorker(body: Record<string, unknown>): Promise<void> {
  const reply = await rest("PATCH", "workers", { id: `eq.${A}` }, { body });
  expect(reply.json, reply.text).toMatchObject([{ id: A, ...body }]);
}

async function resetByHand(): Promise<void> {
  const query = { id: `in.(${task})` };
  expect(await wire.rows("PATCH", "tasks", query, RESET_OF_ORPHANS))
    .toMatchObject([{ id: task, status: "Queued", worker_id: null }]);
}
