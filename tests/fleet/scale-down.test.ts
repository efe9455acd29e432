/**
 * Machines that are sent home, and machines that go by themselves: what the
 * orchestrators of each generation write, the farewell of workers from 30
 * March on, and what an autoscaler is told afterwards.
 */
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { WorkerHealthReply } from "../../shared/worker-health.ts";
import { beatBody, curl, sayGoodbye } from "../support/beats.ts";
import { resetClock, stepClock } from "../support/clock.ts";
import { callFunction } from "../support/http.ts";
import { expectOk } from "../support/replies.ts";
import { rest, SINGLE } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { createTask, createTasks } from "../support/fleet-tasks.ts";
import { createOwner, readTask, reset, startTask } from "../support/world.ts";

const BEAT = "func_worker_heartbeat_with_logs";
const W = "gpu-20260411_101010-dddd0002";
const IDLE = {
  error_reason: "Idle timeout (320s) with no work available",
  error_time: "2026-01-11T12:00:00+00:00",
};

beforeEach(reset);
afterAll(resetClock);

describe("an idle worker", () => {
  it.each([
    ["January", { status: "terminated", metadata: IDLE }],
    ["January, by way of error", { status: "error", metadata: IDLE }],
    ["May", {
      status: "terminated",
      metadata: { termination_reason: "over_capacity" },
    }],
    ["the debug tool", {
      status: "terminated",
      metadata: { terminated_by: "debug" },
    }],
  ])("that is sent home as in %s has not failed", async (_who, body) => {
    const workers = [1, 2, 3].map((n) => `${W}${n}`);
    for (const id of workers) {
      await spawn(id);
      await curl(BEAT, beatBody(id));
      await rest("PATCH", "workers", { id: `eq.${id}` }, { body });
    }
    // One more beat was under way, and the orchestrator cleans up.
    for (const id of workers) {
      await curl(BEAT, beatBody(id));
      const end = { status: "terminated", metadata: body.metadata };
      await rest("PATCH", "workers", { id: `eq.${id}` }, { body: end });
    }
    await createTasks(await createOwner(), 4);

    const { failures, spawning } = await health();
    expect(failures).toMatchObject({
      workers_seen: 3,
      workers_failed: 0,
      failure_rate: 0,
    });
    expect(spawning).toMatchObject({
      code: "MORE_WORK_THAN_WORKERS",
      makes_sense: true,
      claimable: 4,
    });
    for (const id of workers) {
      expect(await worker(id)).toMatchObject({ status: "terminated" });
    }
  });

  it("that crashed is told to an orchestrator that keeps its own word", async () => {
    await spawn(W, { orchestrator_status: "spawning" });
    await curl(BEAT, beatBody(W));
    await curl(BEAT, beatBody(W, [], { status_param: "crashed" }));
    expect((await worker(W)).metadata).toMatchObject({
      orchestrator_status: "error",
    });
  });
});

describe("the farewell of a worker", () => {
  it("frees its work at once, and that start does not count", async () => {
    const task = await createTask(await createOwner());
    await spawn(W);
    await curl(BEAT, beatBody(W));
    await startTask(task, W);
    const reply = await sayGoodbye(W);
    expect([reply.status, reply.json]).toMatchObject([200, { success: true }]);
    expect(await worker(W)).toMatchObject({ status: "terminated" });
    expect(await readTask(task)).toMatchObject({
      status: "Queued",
      worker_id: null,
      attempts: 0,
    });
    const { failures, spawning } = await health();
    expect(failures.workers_failed).toBe(0);
    expect(spawning.makes_sense).toBe(true);
  });

  it("binds nobody: the next beat makes it active, and so does a claim", async () => {
    await spawn(W);
    await sayGoodbye(W);
    await curl(BEAT, beatBody(W));
    expect(await worker(W)).toMatchObject({ status: "active" });
    await sayGoodbye(W);
    expect((await claim(W)).status).toBe(204);
    expect(await worker(W)).toMatchObject({ status: "active" });
  });

  it("does not lock out a worker that nobody knew", async () => {
    const task = await createTask(await createOwner());
    await sayGoodbye(W);
    expect((await claim(W)).json).toMatchObject({ task_id: task });
  });

  it("stays when an orchestrator says it, too", async () => {
    await createTask(await createOwner());
    await spawn(W);
    await sayGoodbye(W);
    const body = { status: "terminated", metadata: { terminated_at: "now" } };
    await rest("PATCH", "workers", { id: `eq.${W}` }, { body });
    await curl(BEAT, beatBody(W));
    expect(await worker(W)).toMatchObject({ status: "terminated" });
    expect((await claim(W)).status).toBe(409);
  });

  it("is no silence afterwards", async () => {
    await spawn(W);
    await sayGoodbye(W);
    await stepClock("10 minutes");
    const { by_health, failures } = await health();
    expect(by_health).toEqual({});
    expect(failures.workers_failed).toBe(0);
  });
});

async function spawn(id: string, metadata: object = {}): Promise<void> {
  const row = { id, instance_type: "gpu", status: "spawning", metadata };
  await rest("POST", "workers", {}, { body: row });
}

async function worker(
  id: string,
): Promise<{ status: string; metadata: Record<string, unknown> }> {
  const query = { select: "*", id: `eq.${id}` };
  const { json } = await rest("GET", "workers", query, { headers: SINGLE });
  return json as { status: string; metadata: Record<string, unknown> };
}

function claim(id: string) {
  const body = { worker_id: id, run_type: "gpu" };
  return callFunction("claim-next-task", body, { key: stack().serviceRoleKey });
}

async function health(): Promise<WorkerHealthReply> {
  const key = stack().serviceRoleKey;
  return expectOk(
    await callFunction("worker-health", {}, { key }),
    WorkerHealthReply,
  );
}
