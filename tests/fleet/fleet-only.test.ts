import { beforeEach, describe, expect, it } from "vitest";
import { Pool } from "../../shared/claim.ts";
import { ERROR_CODES } from "../../shared/error-codes.ts";
import { beatBody, curl } from "../support/beats.ts";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { expectError } from "../support/replies.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTasks,
  createToken,
  reset,
} from "../support/world.ts";

// What the queue has for this fleet and for no guest.

beforeEach(reset);

it("the functions know the pools that the database has", async () => {
  const [row] = await admin()`select fairlane_core.pools() as pools`;
  expect(Pool.options).toEqual(row?.["pools"]);
});

it("update-shot-pair-prompts says that it is not served", async () => {
  const body = {
    shot_id: crypto.randomUUID(),
    task_id: "a task",
    enhanced_prompts: ["a", ""],
  };
  const key = await createToken(await createOwner());
  const reply = await callFunction("update-shot-pair-prompts", body, { key });
  expectError(reply, "NOT_SUPPORTED");
  // Deployed workers repeat 502, 503 and 504 only.
  expect(ERROR_CODES.NOT_SUPPORTED.status).toBe(501);
});

describe("the views of the dashboards", () => {
  it("are one row of numbers and one row per worker", async () => {
    await createTasks(await createOwner(), 2);
    await rest("POST", "workers", {}, {
      body: { id: "gpu-1", instance_type: "gpu", status: "active" },
    });
    await curl(
      "func_worker_heartbeat_with_logs",
      beatBody("gpu-1", [{ message: "hello" }]),
    );
    await callFunction("claim-next-task", { worker_id: "gpu-1" }, {
      key: stack().serviceRoleKey,
    });
    const status = await rest("GET", "orchestrator_status", { select: "*" });
    expect(status.json).toMatchObject([{
      queued_tasks: 1,
      running_tasks: 1,
      completed_tasks: 0,
      error_tasks: 0,
      failed_tasks: 0,
      active_workers: 1,
      stale_workers: 0,
      stuck_tasks: 0,
      snapshot_time: expect.stringMatching(/(Z|\+00:00)$/),
    }]);
    const workers = await rest("GET", "active_workers_health", {
      select: "*",
      id: "eq.gpu-1",
    });
    expect(workers.json).toMatchObject([{
      id: "gpu-1",
      health_status: "healthy",
      heartbeat_age_seconds: expect.any(Number),
      vram_total_mb: 24564,
      current_task_id: expect.any(String),
      task_runtime_seconds: expect.any(Number),
    }]);
  });
});
