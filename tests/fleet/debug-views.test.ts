/** The two views of the dashboards: contract 4.4, the end. */
import { beforeEach, describe, expect, it } from "vitest";
import { beatBody, curl } from "../support/beats.ts";
import { rest } from "../support/rest.ts";
import { createTask } from "../support/fleet-tasks.ts";
import { createOwner, type Owner, reset, startTask } from "../support/world.ts";

const BEAT = "func_worker_heartbeat_with_logs";
const W = "gpu-20260111_120000-0a1b2c3d";

let owner: Owner;
let task: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  task = await createTask(owner);
  await startTask(task, W);
});

describe("the views", () => {
  it("orchestrator_status is one row of numbers, of all statuses", async () => {
    for (const status of ["inactive", "active", "terminated"]) {
      const body = { id: `gpu-${status}`, instance_type: "gpu", status };
      await rest("POST", "workers", {}, { body });
    }
    await curl(BEAT, beatBody("somebody"));
    await createTask(owner);
    const reply = await rest("GET", "orchestrator_status", { select: "*" });
    expect(reply.json).toEqual([expect.objectContaining({
      queued_tasks: 1,
      running_tasks: 1,
      completed_tasks: 0,
      error_tasks: 0,
      failed_tasks: 0,
      inactive_workers: 1,
      active_workers: 2,
      terminated_workers: 1,
      external_workers: 1,
      stale_workers: expect.any(Number),
      stuck_tasks: 0,
      snapshot_time: expect.stringMatching(/\+00:00$/),
    })]);
  });

  it("active_workers_health is a row for each, with nulls before a first beat", async () => {
    const body = { id: W, instance_type: "gpu", status: "active" };
    await rest("POST", "workers", {}, { body });
    const query = { select: "*", id: `eq.${W}` };
    const read = () => rest("GET", "active_workers_health", query);
    expect((await read()).json).toMatchObject([{
      id: W,
      health_status: expect.any(String),
      heartbeat_age_seconds: null,
      vram_total_mb: null,
      vram_used_mb: null,
      current_task_id: task,
      task_runtime_seconds: expect.any(Number),
    }]);
    await curl(BEAT, beatBody(W));
    expect((await read()).json).toMatchObject([{
      heartbeat_age_seconds: expect.any(Number),
      vram_total_mb: 24564,
      vram_used_mb: 812,
    }]);
  });
});
