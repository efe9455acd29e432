/**
 * The GPU orchestrator's cycle: contract 4.2 and its part of 3.2. Registering a
 * worker, reading what it runs and the resets themselves are in
 * tests/e2e/data-api-orchestrator.test.ts and data-api-resets.test.ts.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { beatBody, curl } from "../support/beats.ts";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { storyOf } from "../support/fleet.ts";
import { callFunction } from "../support/http.ts";
import { rest, SINGLE } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  createToken,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

const BEAT = "func_worker_heartbeat_with_logs";
const W = "gpu-20260111_120000-0a1b2c3d";
const RESET = {
  status: "Queued",
  worker_id: null,
  generation_started_at: null,
  generation_processed_at: null,
};

let owner: Owner;

afterEach(resetClock);

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
    await createTask(owner, { worker_id: null, params: {} });
    await createTask(owner, { run_type: "local" });
    const key = await createToken(owner);
    await callFunction("claim-next-task", { worker_id: "mac" }, { key });
    // As reset by hand: running, and nobody has it.
    const lost = await createTask(owner);
    await startTask(lost);
    await admin()`update public.tasks set worker_id = null where id = ${lost}`;

    const reply = await counts({ run_type: "gpu" });
    const { totals, users, ...lists } = reply;
    expect(totals).toEqual(
      expect.objectContaining({
        queued_plus_active: expect.any(Number),
        queued_only: expect.any(Number),
        active_only: expect.any(Number),
      }),
    );
    const sliced = ["task_id", "task_type", "created_at", "started_at"];
    for (const list of ["queued_tasks", "active_tasks", "recent_tasks"]) {
      for (const task of lists[list] as Record<string, unknown>[]) {
        for (const [name, value] of Object.entries(task)) {
          if (sliced.includes(name)) expect(value).toEqual(expect.any(String));
        }
      }
    }
    expect(lists["active_tasks"]).not.toEqual([]);
    expect(users).toEqual([{
      user_id: owner.id,
      queued_tasks: expect.any(Number),
      in_progress_tasks: expect.any(Number),
      at_limit: expect.any(Boolean),
    }].map((user) => expect.objectContaining(user)));
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

describe("its questions about tasks", () => {
  it("find a worker's last completion: processed_at is there, newest first", async () => {
    const ids: string[] = [];
    for (const _ of [1, 2]) {
      const task_id = await createTask(owner);
      await startTask(task_id, W);
      await edge("complete_task", { task_id, output_location: "a.mp4" });
      ids.push(task_id);
    }
    const reply = await tasks({
      select: "generation_processed_at,updated_at",
      worker_id: `eq.${W}`,
      status: "eq.Complete",
      order: "generation_processed_at.desc",
      limit: "1",
    });
    // With nulls first, one completion without a time would hide all others.
    const last = await readTask(ids[1] ?? "");
    expect(reply.json).toEqual([{
      generation_processed_at: expect.stringMatching(/\+00:00$/),
      updated_at: expect.stringMatching(/\+00:00$/),
    }]);
    const [row] = reply.json as { generation_processed_at: string }[];
    expect(Date.parse(row?.generation_processed_at ?? ""))
      .toBe(Number(last["generation_processed_at"]));
  });

  it("leave a completion its time, whatever a late reset says", async () => {
    const id = await createTask(owner);
    await startTask(id, W);
    await edge("complete_task", { task_id: id, output_location: "a.mp4" });
    const reply = await rest("PATCH", "tasks", { id: `in.(${id})` }, {
      body: { ...RESET, error_message: "Reset - orphaned" },
    });
    expect(reply.json).toEqual([]);
    expect(await readTask(id)).toMatchObject({
      status: "Complete",
      worker_id: W,
      generation_processed_at: expect.any(Date),
    });
  });

  it("find what is stuck without a worker, and reset what may start again", async () => {
    const id = await createTask(owner);
    await startTask(id, W);
    await admin()`
      update public.tasks
      set worker_id = null, generation_started_at = now() - interval '16 minutes'
      where id = ${id}
    `;
    const found = await tasks({
      select: "id,task_type",
      status: "eq.In Progress",
      worker_id: "is.null",
      generation_started_at: `lt.${minutesAgo(15)}`,
    });
    expect(found.json).toEqual([{ id, task_type: "travel_segment" }]);
    const message = "Reset - stuck in progress with no worker assigned";
    const body = { ...RESET, error_message: message };
    const filter = { id: `in.(${id})`, attempts: "lt.3" };
    const reply = await rest("PATCH", "tasks", filter, { body });
    expect(reply.json).toMatchObject([{
      id,
      ...RESET,
      error_message: message,
      attempts: 1,
    }]);
  });

  it("find stale work by updated_at, and reset it with its message", async () => {
    const id = await createTask(owner);
    await stepClock("-31 minutes");
    await startTask(id, W);
    await resetClock();
    const stale = {
      select: "id,task_type,worker_id",
      status: "eq.In Progress",
      updated_at: `lt.${minutesAgo(30)}`,
      attempts: "lt.3",
    };
    const message = "Reset - no activity for 30 minutes (stale task)";
    expect((await tasks(stale)).json)
      .toEqual([{ id, task_type: "travel_segment", worker_id: W }]);
    const body = { ...RESET, error_message: message };
    const reply = await rest("PATCH", "tasks", { id: `in.(${id})` }, { body });
    expect(reply.json).toMatchObject([{ id, error_message: message }]);
  });

  it("end a task that was reset after its last start, with the last reason", async () => {
    const id = await createTask(owner);
    const body = { ...RESET, error_message: "Reset - orphaned" };
    for (const _ of [1, 2, 3]) {
      await startTask(id, W);
      await rest("PATCH", "tasks", { id: `eq.${id}` }, { body });
    }
    expect(await readTask(id)).toMatchObject({ status: "Failed", attempts: 3 });
    // The same words each time, and still the reason.
    expect((await storyOf(id)).filter((line) => line.endsWith("orphaned")))
      .toHaveLength(3);
    expect((await readTask(id))["error_message"]).toBe(
      "Given up after 3 starts; the last one ended with: Reset - orphaned",
    );
  });
});

function minutesAgo(minutes: number): string {
  return new Date(Date.now() - minutes * 60_000).toISOString()
    .replace("Z", "+00:00");
}

function edge(name: string, body: unknown) {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}

async function counts(body: unknown): Promise<Record<string, unknown>> {
  const reply = await edge("task-counts", body);
  // aiohttp raises at any other type.
  expect(reply.headers.get("content-type")).toContain("application/json");
  return reply.json as Record<string, unknown>;
}

function tasks(query: Record<string, string>) {
  return rest("GET", "tasks", query);
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
