import { beforeEach, describe, expect, it } from "vitest";
import { WorkerHealthReply } from "../../shared/worker-health.ts";
import { signOfLife } from "../support/beats.ts";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  createTasks,
  createToken,
  type Owner,
  reset,
} from "../support/world.ts";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner({ maxInProgress: 20 });
});

describe("worker-health", () => {
  it("distinguishes workers that send heartbeats, that never did, that claim in vain", async () => {
    const workers = ["gpu-beats", "gpu-mute", "gpu-dismissed"];
    for (const id of workers) await register(id, "active");
    await createTask(owner);
    await signOfLife("gpu-beats", [{ message: "hello" }]);
    await admin()`
      update public.workers set created_at = now() - interval '11 minutes'
    `;
    await patch("gpu-dismissed", { status: "error" });
    expectError(await claim("gpu-dismissed"), "WORKER_NOT_ELIGIBLE");

    const { workers: states, by_health } = await health();
    expect(states.map((state) => [state.worker_id, state.health])).toEqual([
      ["gpu-beats", "never_claimed"],
      ["gpu-dismissed", "claims_refused"],
      ["gpu-mute", "never_beat"],
    ]);
    expect(by_health).toEqual({
      never_claimed: 1,
      claims_refused: 1,
      never_beat: 1,
    });
  });

  it("says why workers failed, what they took down, whether to go on", async () => {
    await createTasks(owner, 5);
    const taken = new Map<string, string>();
    for (let i = 1; i <= 3; i++) {
      const id = `gpu-${i}`;
      await register(id, "spawning");
      const { json } = await claim(id);
      taken.set(id, (json as { task_id: string }).task_id);
      const error_reason = `Stale heartbeat with active tasks (${
        330 + i
      }s old)`;
      await patch(id, { status: "error", metadata: { error_reason } });
    }

    const { failures, spawning } = await health();
    expect(failures).toMatchObject({
      workers_seen: 3,
      workers_failed: 3,
      failure_rate: 1,
      reasons: [{
        reason: "Stale heartbeat with active tasks (Ns old)",
        workers: 3,
      }],
    });
    for (const worker of failures.failed_workers) {
      expect(worker.tasks.map((task) => task.task_id))
        .toContain(taken.get(worker.worker_id));
    }
    expect(spawning).toMatchObject({
      makes_sense: false,
      code: "WORKERS_FAIL",
      message: expect.stringContaining("3 of 3 workers failed"),
    });
  });

  it("advises to rent while there is more work than workers", async () => {
    expect((await health()).spawning.code).toBe("NOTHING_CLAIMABLE");
    await createTasks(owner, 2);
    await register("gpu-1", "spawning");
    expect((await health()).spawning).toMatchObject({
      makes_sense: true,
      code: "MORE_WORK_THAN_WORKERS",
      claimable: 2,
      free_workers: 1,
    });
    await register("gpu-2", "spawning");
    expect((await health()).spawning.code).toBe("ENOUGH_WORKERS");
  });

  it("is for service keys, over a window that makes sense", async () => {
    const token = await createToken(owner);
    const user = await userJwt(owner.id);
    for (const key of [token, user]) {
      expectError(
        await callFunction("worker-health", {}, { key }),
        "FORBIDDEN",
      );
    }
    const key = stack().serviceRoleKey;
    const body = { window_minutes: 0 };
    expectError(
      await callFunction("worker-health", body, { key }),
      "INVALID_BODY",
    );
  });
});

async function health(): Promise<WorkerHealthReply> {
  const key = stack().serviceRoleKey;
  return expectOk(
    await callFunction("worker-health", {}, { key }),
    WorkerHealthReply,
  );
}

function claim(workerId: string) {
  const body = { worker_id: workerId, run_type: "gpu" };
  return callFunction("claim-next-task", body, { key: stack().serviceRoleKey });
}

async function register(id: string, status: string): Promise<void> {
  const body = { id, instance_type: "gpu", status, metadata: {} };
  expect((await rest("POST", "workers", {}, { body })).status).toBe(201);
}

async function patch(
  id: string,
  body: Readonly<Record<string, unknown>>,
): Promise<void> {
  const reply = await rest("PATCH", "workers", { id: `eq.${id}` }, { body });
  expect(reply.json).toHaveLength(1);
}
