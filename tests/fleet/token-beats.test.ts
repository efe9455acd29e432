/**
 * Machines of users, which run on a token: the guardian's beat with the token
 * in both headers (workers from 18 March), the route `beat`, and how soon one
 * is missed.
 */
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { BeatReply } from "../../shared/beat.ts";
import { beatBody } from "../support/beats.ts";
import { beat, held, NAME } from "../support/own-machine.ts";
import { resetClock, stepClock } from "../support/clock.ts";
import { counterDrift } from "../support/drift.ts";
import { runJob } from "../support/fleet.ts";
import { callFunction } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { rest, send } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";

let owner: Owner;
let token: string;

beforeEach(async () => {
  await resetClock();
  await reset();
  owner = await createOwner();
  token = await createToken(owner);
});
afterAll(resetClock);

describe("the guardian with a token in both headers", () => {
  it("is answered 401 by the Data API, before any code of the queue's", async () => {
    const reply = await send(
      "/rest/v1/rpc/func_worker_heartbeat_with_logs",
      {
        method: "POST",
        headers: {
          apikey: token,
          authorization: `Bearer ${token}`,
          "content-type": "application/json",
          prefer: "return=representation",
        },
        body: JSON.stringify(beatBody(NAME)),
      },
    );
    expect(reply.status).toBe(401);
  });
});

describe("a machine that beats by the route", () => {
  it("is missed five minutes after its last beat", async () => {
    const task = await held(owner, token);
    await beat(token, {});
    await stepClock("4 minutes");
    await beat(token, {});
    await stepClock("4 minutes");
    await runJob("rescue");
    expect((await readTask(task))["status"]).toBe("In Progress");
    await stepClock("2 minutes");
    await runJob("rescue");
    expect(await readTask(task)).toMatchObject({
      status: "Queued",
      attempts: 1,
      error_message: expect.stringContaining(
        `machine ${NAME} gave no sign for 360 s`,
      ),
    });
    expect(await counterDrift()).toEqual([]);
  });

  it("is no worker of the fleet, which orchestrators would switch off", async () => {
    await held(owner, token);
    await beat(token, { status: "active" });
    expect((await rest("GET", "workers", { select: "id" })).json).toEqual([]);
  });

  it("says what it runs: what it lost before is not shielded", async () => {
    const lost = await held(owner, token, "api-machine", "qwen_image_edit");
    const running = await held(owner, token, "api-machine", "qwen_image_edit");
    await beat(token, { worker_id: "api-machine" });
    await stepClock("4 minutes");
    await beat(token, { worker_id: "api-machine", task_ids: [running] });
    await stepClock("2 minutes");
    await runJob("rescue");
    expect((await readTask(lost))["status"]).toBe("Queued");
    expect((await readTask(running))["status"]).toBe("In Progress");
  });

  it("speaks for what it names alone under the name that all have", async () => {
    const mine = await held(owner, token, "local-worker");
    const theirs = await held(owner, token, "local-worker");
    await beat(token, { worker_id: "local-worker", task_id: mine });
    await beat(token, { worker_id: "local-worker", status: "crashed" });
    for (const id of [mine, theirs]) {
      expect((await readTask(id))["status"]).toBe("In Progress");
    }
    await stepClock("6 minutes");
    await runJob("rescue");
    expect((await readTask(mine))["status"]).toBe("Queued");
    expect((await readTask(theirs))["status"]).toBe("In Progress");
  });

  it("is told what to let go of, and keeps the lines about what it runs", async () => {
    const task = await held(owner, token);
    const stranger = await createTask(await createOwner());
    const reply = await beat(token, {
      task_id: task,
      logs: [
        { level: "INFO", message: "Step 3", task_id: task },
        { level: "INFO", message: "of another's", task_id: stranger },
        { level: "INFO", message: "of nothing", task_id: null },
      ],
    });
    expect(reply).toMatchObject({ logs_inserted: 1, log_errors: 2, stop: [] });
    const logs = { select: "message,worker_id", task_id: `eq.${task}` };
    expect((await rest("GET", "system_logs", logs)).json).toEqual([{
      message: "Step 3",
      worker_id: expect.stringMatching(/^token:.*:my-laptop$/),
    }]);
    const cancelled = await callFunction("cancel-tasks", {
      task_ids: [task],
      status: "In Progress",
    }, {
      key: await userJwt(owner.id),
    });
    expect(cancelled.json, cancelled.text).toMatchObject({ cancelled: 1 });
    expect((await beat(token, { task_id: task })).stop)
      .toEqual([{ task_id: task, reason: "cancelled" }]);
    // Whether a stranger's task exists it does not hear.
    expect((await beat(token, { task_id: stranger })).stop)
      .toContainEqual({ task_id: stranger, reason: "deleted" });
  });
});

describe("who may beat for whom", () => {
  it("another token of the owner does not, nor another owner's", async () => {
    const task = await held(owner, token);
    const before = await readTask(task);
    for (const other of [owner, await createOwner()]) {
      const key = await createToken(other);
      for (const status of ["active", "terminated", "crashed"]) {
        await beat(key, { status, task_id: task });
      }
    }
    expect(await readTask(task)).toEqual(before);
  });

  it("a token has no way to a worker of the fleet, and none to its name", async () => {
    const worker = { id: "gpu-1", instance_type: "gpu", status: "active" };
    await rest("POST", "workers", {}, { body: worker });
    await beat(token, { worker_id: "gpu-1", status: "crashed" });
    expect((await rest("GET", "workers", { select: "status" })).json)
      .toEqual([{ status: "active" }]);
    const task = await held(owner, token);
    const id = String((await readTask(task))["worker_id"]);
    const reply = await callFunction("beat", { worker_id: id }, {
      key: stack().serviceRoleKey,
    });
    expectError(reply, "INVALID_ARGUMENT");
  });

  it("the service key beats for the fleet by the same route", async () => {
    const key = stack().serviceRoleKey;
    const body = { worker_id: "gpu-1", vram_total_mb: 24564, vram_used_mb: 8 };
    expectOk(await callFunction("beat", body, { key }), BeatReply);
    const query = { select: "status,metadata", id: "eq.gpu-1" };
    expect((await rest("GET", "workers", query)).json).toMatchObject([{
      status: "active",
      metadata: { vram_total_mb: 24564, vram_used_mb: 8 },
    }]);
  });
});
