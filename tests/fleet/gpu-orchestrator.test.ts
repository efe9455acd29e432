/**
 * The GPU orchestrator's cycle: contract 4.2 and its part of 3.2. Registering a
 * worker, reading what it runs and the resets themselves are in
 * tests/e2e/data-api-orchestrator.test.ts and data-api-resets.test.ts.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { beatBody, curl } from "../support/beats.ts";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { rest, SINGLE } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";

const BEAT = "func_worker_heartbeat_with_logs";
const W = "gpu-20260111_120000-0a1b2c3d";
let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe("its counts", () => {
  it("have no null in what it slices, whoever runs the tasks", async () => {
    await startTask(await createTask(owner), W);
    await startTask(
      await createTask(owner, { task_type: "travel_orchestrator" }),
      W,
    );
    await createTask(owner, { run_type: "local" });
    const key = await createToken(owner);
    await callFunction("claim-next-task", { worker_id: "mac" }, { key });
    // As reset by hand: running, and nobody has it.
    const lost = await createTask(owner);
    await startTask(lost);
    await admin()`update public.tasks set worker_id = null where id = ${lost}`;
    await createTask(owner, { params: {} });

    const reply = await counts({ run_type: "gpu" });
    const { queued_tasks, active_tasks, recent_tasks, users } = reply;
    const text = expect.any(String);
    // A key may be missing; what is there is no null.
    expect(queued_tasks).toEqual([
      { task_id: text, task_type: text, user_id: text, created_at: text },
    ].map((task) => expect.objectContaining(task)));
    const active = active_tasks as Record<string, unknown>[];
    expect(active).toHaveLength(4);
    for (const { worker_id = "nobody", ...task } of active) {
      expect(task).toMatchObject({
        task_id: text,
        task_type: text,
        started_at: text,
      });
      expect(worker_id).toEqual(text);
    }
    for (const task of recent_tasks as unknown[]) {
      expect(task).toMatchObject({
        task_id: text,
        status: "In Progress",
        is_cloud: expect.any(Boolean),
      });
    }
    expect(recent_tasks).not.toEqual([]);
    expect(users).toEqual([expect.objectContaining({
      user_id: owner.id,
      queued_tasks: 1,
      in_progress_tasks: expect.any(Number),
      at_limit: false,
    })]);
  });

  it("are asked for once, or twice with and without what is active", async () => {
    await createTask(owner);
    await startTask(await createTask(owner), W);
    const [once, all, queued] = [
      await counts({ run_type: "gpu" }),
      await counts({ run_type: "gpu", include_active: true }),
      await counts({ run_type: "gpu", include_active: false }),
    ];
    expect(once["totals"]).toEqual(all["totals"]);
    expect(all["totals"])
      .toMatchObject({ queued_only: 1, active_only: 1, queued_plus_active: 2 });
    expect(queued["totals"]).toMatchObject({ queued_plus_active: 1 });
    expect(all["global_task_breakdown"]).toMatchObject({
      in_progress_total: 1,
      in_progress_cloud: 1,
      in_progress_local: 0,
      orchestrator_tasks: 0,
    });
  });

  it("keep the types that a script compares: a number in `count`", async () => {
    await createTask(owner);
    expect((await counts({}))["count"]).toBe(1);
  });
});

describe("its workers", () => {
  it("may have any status that it writes, and any text besides", async () => {
    for (
      const status of [
        "inactive",
        "spawning",
        "active",
        "terminating",
        "error",
        "terminated",
        "crashed",
        "some new word",
      ]
    ) {
      const id = `gpu-${status}`;
      const body = { id, instance_type: "gpu", status, metadata: {} };
      const reply = await rest("POST", "workers", {}, { body });
      expect([reply.status, reply.json]).toMatchObject([201, [{ id, status }]]);
    }
    const list = await rest("GET", "workers", {
      select: "*",
      order: "created_at.desc",
    });
    expect(list.json).toHaveLength(8);
  });

  it("have an object as metadata, also when null was written", async () => {
    const body = { id: W, instance_type: "gpu", status: "inactive" };
    const created = await rest("POST", "workers", {}, {
      body: { ...body, metadata: null },
    });
    expect(created.json).toMatchObject([{ metadata: {} }]);
    const changed = await patchWorker({ status: "active", metadata: null });
    expect(changed.json).toMatchObject([{ metadata: {} }]);
  });

  it("lose no key that a beat wrote between its read and its write", async () => {
    await spawn({ orchestrator_status: "spawning", runpod_id: "pod-7" });
    const read = await readMetadata();
    await curl(BEAT, beatBody(W));
    const metadata = {
      ...read,
      ssh_details: { ip: "10.0.0.1" },
      ram_tier: "high",
    };
    await patchWorker({ status: "active", metadata });
    expect(await readMetadata()).toEqual({
      ...metadata,
      vram_total_mb: 24564,
      vram_used_mb: 812,
      vram_timestamp: expect.any(Number),
    });
  });

  it("keep the id of their machine when it could not read and writes afresh", async () => {
    await spawn({ runpod_id: "pod-7" });
    await curl(BEAT, beatBody(W));
    const metadata = { orchestrator_status: "error", error_reason: "no beat" };
    await patchWorker({ status: "error", metadata });
    expect(await readMetadata()).toMatchObject({
      ...metadata,
      runpod_id: "pod-7",
      vram_total_mb: 24564,
    });
  });

  it("keep everything it writes, numbers and nested objects alike", async () => {
    await spawn({});
    const metadata = {
      orchestrator_status: "active",
      runpod_id: "pod-7",
      pod_details: { gpu: { name: "RTX 4090", count: 1 }, cost: 0.34 },
      startup_script_launched: true,
      promoted_to_active_at: "2026-01-11T12:00:00+00:00",
      diagnostics: { lines: ["a", "b"], empty: null },
    };
    await patchWorker({ status: "active", metadata });
    expect(await readMetadata()).toEqual(metadata);
  });

  it("are promoted at their first line of log", async () => {
    const logs = {
      select: "id",
      source_type: "eq.worker",
      worker_id: `eq.${W}`,
      limit: "1",
    };
    expect((await rest("GET", "system_logs", logs)).json).toEqual([]);
    await curl(BEAT, beatBody(W, [{ message: "hello" }]));
    expect((await rest("GET", "system_logs", logs)).json)
      .toEqual([{ id: expect.any(Number) }]);
  });
});

function edge(name: string, body: unknown) {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}

async function counts(body: unknown): Promise<Record<string, unknown>> {
  const reply = await edge("task-counts", body);
  // aiohttp raises at any other type.
  expect(reply.headers.get("content-type")).toContain("application/json");
  return reply.json as Record<string, unknown>;
}

async function spawn(metadata: Record<string, unknown>): Promise<void> {
  const row = { id: W, instance_type: "gpu", status: "spawning", metadata };
  await rest("POST", "workers", {}, { body: row });
}

function patchWorker(body: Record<string, unknown>) {
  return rest("PATCH", "workers", { id: `eq.${W}` }, { body });
}

async function readMetadata(): Promise<Record<string, unknown>> {
  const query = { select: "metadata", id: `eq.${W}` };
  const { json } = await rest("GET", "workers", query, { headers: SINGLE });
  return (json as { metadata: Record<string, unknown> }).metadata;
}
