/**
 * How workers end, as each generation says it: the last beat of workers from 30
 * March on (W6, W7), of all before (crashed), the orchestrators' own words for
 * it (O1 error_reason, O4 termination_reason), and what each reads afterwards.
 */
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { curl } from "../support/beats.ts";
import { resetClock, stepClock } from "../support/clock.ts";
import {
  beat,
  failedWorkers,
  runJob,
  spawnWorker,
  storyOf,
} from "../support/fleet.ts";
import { callFunction } from "../support/http.ts";
import { rest, SINGLE } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import { createOwner, readTask, reset, startTask } from "../support/world.ts";

const W = "gpu-20260411_101010-dddd0002";
const BEAT = "func_worker_heartbeat_with_logs";

/** Byte for byte what the process sends on SIGTERM: curl, `-m 10`, one try. */
const FAREWELL = `{"worker_id_param": "${W}", "vram_total_mb_param": 0, ` +
  `"vram_used_mb_param": 0, "logs_param": [], "status_param": "terminated"}`;

beforeEach(async () => {
  await resetClock();
  await reset();
});
afterAll(resetClock);

describe("the farewell of W6 and W7", () => {
  it("ends one of two starts, the other one counts", async () => {
    const task = await createTask(await createOwner());
    await spawnWorker(W);
    await beat(W);
    await startTask(task, W);
    await beat(W, [], "crashed");
    await beat(W);
    await startTask(task, W);
    expect((await curl(BEAT, FAREWELL)).json).toMatchObject({ success: true });
    expect(await readTask(task)).toMatchObject({
      status: "Queued",
      attempts: 1,
    });
    expect((await storyOf(task)).at(-1)).toBe(
      `In Progress -> Queued: Attempt 2 was released: worker ${W} said that it ends`,
    );
  });

  it("keeps what the beats before knew of the machine", async () => {
    await spawnWorker(W);
    await beat(W);
    await curl(BEAT, FAREWELL);
    expect((await worker()).metadata).toMatchObject({
      runpod_id: `pod-${W}`,
      vram_total_mb: 24_564,
      orchestrator_status: "terminated",
    });
  });

  it("of an id that nobody knows is stored, and locks nobody out", async () => {
    await curl(BEAT, FAREWELL);
    expect(await worker()).toMatchObject({
      instance_type: "external",
      status: "terminated",
    });
    await beat(W);
    expect((await worker()).status).toBe("active");
    await curl(BEAT, FAREWELL);
    const task = await createTask(await createOwner());
    expect((await claim()).json).toMatchObject({ task_id: task });
    expect((await worker()).status).toBe("active");
  });

  it("of an id that nobody knows is no failure, whatever time passes", async () => {
    await curl(BEAT, FAREWELL);
    await stepClock("20 minutes");
    await runJob("rescue");
    expect(await failedWorkers()).toEqual([]);
  });
});

describe("metadata.orchestrator_status", () => {
  it.each<[string, () => Promise<unknown>, string, string]>([
    ["crashed", () => beat(W, [], "crashed"), "error", "active"],
    [
      "terminated by itself",
      () => curl(BEAT, FAREWELL),
      "terminated",
      "active",
    ],
    [
      "silent",
      async () => {
        await startTask(await createTask(await createOwner()), W);
        await stepClock("101 seconds");
        await runJob("rescue");
      },
      "error",
      "active",
    ],
    [
      "set to error by a script",
      () => patch({ status: "error" }),
      "error",
      "error",
    ],
  ])("of a worker that is %s says so", async (_how, end, told, next) => {
    await spawnWorker(W);
    await beat(W);
    await end();
    expect((await worker()).metadata["orchestrator_status"]).toBe(told);
    // The orchestrator of 4 January counts what says "spawning" as coming.
    await curl(BEAT, FAREWELL.replace("terminated", "active"));
    expect(await worker()).toMatchObject({
      status: next,
      metadata: { orchestrator_status: next },
    });
  });

  it("is not put where an orchestrator does not keep it", async () => {
    await beat(W);
    await beat(W, [], "crashed");
    expect((await worker()).metadata).not.toHaveProperty("orchestrator_status");
  });
});

describe("metadata.termination_reason", () => {
  it("is the reason of that end, and is kept", async () => {
    await spawnWorker(W);
    await beat(W);
    const metadata = {
      ...(await worker()).metadata,
      orchestrator_status: "terminated",
      termination_reason: "over_capacity",
    };
    await patch({ status: "terminated", metadata });
    await curl(BEAT, FAREWELL);
    await beat(W);
    expect(await worker()).toMatchObject({
      status: "terminated",
      metadata: {
        orchestrator_status: "terminated",
        termination_reason: "over_capacity",
        error_reason: "over_capacity",
      },
    });
    expect(await failedWorkers()).toEqual([]);
  });

  it("does not hide that work was lost", async () => {
    const task = await createTask(await createOwner());
    await spawnWorker(W);
    await beat(W);
    await startTask(task, W);
    await stepClock("90 seconds");
    await beat(W);
    const metadata = { termination_reason: "stuck_task" };
    await patch({ status: "terminated", metadata });
    expect(await failedWorkers()).toEqual([W]);
    expect((await readTask(task))["error_message"]).toContain("stuck_task");
  });
});

function patch(body: Record<string, unknown>) {
  return rest("PATCH", "workers", { id: `eq.${W}` }, { body });
}

function claim() {
  const body = {
    worker_id: W,
    run_type: "gpu",
    same_model_only: true,
    max_task_wait_minutes: 5,
  };
  return callFunction("claim-next-task", body, { key: stack().serviceRoleKey });
}

async function worker() {
  const query = { select: "*", id: `eq.${W}` };
  const { json } = await rest("GET", "workers", query, { headers: SINGLE });
  return json as {
    instance_type: string;
    status: string;
    metadata: Record<string, unknown>;
  };
}
