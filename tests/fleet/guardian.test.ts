/**
 * The guardian beside each worker: contract 5, one call every 20 seconds. What
 * a beat answers and stores line by line is in heartbeat*.test.ts.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { beatBody, curl } from "../support/beats.ts";
import { rest, SINGLE } from "../support/rest.ts";
import { createTask } from "../support/fleet-tasks.ts";
import { createOwner, readTask, reset, startTask } from "../support/world.ts";

const BEAT = "func_worker_heartbeat_with_logs";
const W = "gpu-20260111_120000-0a1b2c3d";

beforeEach(reset);

describe("the guardian", () => {
  it("knows nothing of the video memory without nvidia-smi, and beats", async () => {
    const none = { vram_total_mb_param: 0, vram_used_mb_param: 0 };
    const reply = await curl(BEAT, beatBody(W, [], none));
    expect(reply.json).toMatchObject({ success: true });
    expect(await worker()).toMatchObject({ status: "active", metadata: {} });
  });

  it("reads an object of a truth and counts, and may name its task", async () => {
    const task = await createTask(await createOwner());
    await startTask(task, W);
    const named = { current_task_id_param: task };
    const reply = await curl(BEAT, beatBody(W, [{ message: "a" }], named));
    expect([reply.status, reply.json]).toMatchObject([200, {
      success: true,
      heartbeat_updated: true,
      logs_inserted: 1,
      log_errors: 0,
    }]);
  });

  it("writes the memory as numbers, the time as epoch seconds", async () => {
    await curl(BEAT, beatBody(W));
    const { metadata } = await worker();
    expect(metadata).toMatchObject({
      vram_total_mb: 24564,
      vram_used_mb: 812,
    });
    const age = Date.now() / 1000 - Number(metadata["vram_timestamp"]);
    expect(Math.abs(age)).toBeLessThan(3600);
  });

  it("reports the end of its worker once, and its task is free at once", async () => {
    const task = await createTask(await createOwner());
    await curl(BEAT, beatBody(W));
    await startTask(task, W);
    const last = { status_param: "crashed" };
    const reply = await curl(BEAT, beatBody(W, [], last));
    expect(reply.json).toMatchObject({ success: true });
    expect((await worker())["status"]).toBe("crashed");
    expect(await readTask(task)).toMatchObject({
      status: "Queued",
      worker_id: null,
    });
  });

  it("may be the first to say that a worker is crashed", async () => {
    await curl(BEAT, beatBody(W, [], { status_param: "crashed" }));
    expect(await worker()).toMatchObject({
      status: "crashed",
      instance_type: "external",
    });
  });

  it.each(["error", "terminated", "terminating"])(
    "does not bring back a worker that was set to %s",
    async (status) => {
      await curl(BEAT, beatBody(W));
      const body = { status, metadata: { error_reason: "by hand" } };
      await rest("PATCH", "workers", { id: `eq.${W}` }, { body });
      await curl(BEAT, beatBody(W));
      expect((await worker())["status"]).toBe(status);
    },
  );

  it("is what makes a worker that was spawned active", async () => {
    const row = { id: W, instance_type: "gpu", status: "spawning" };
    await rest("POST", "workers", {}, { body: { ...row, metadata: {} } });
    await curl(BEAT, beatBody(W));
    expect(await worker()).toMatchObject({
      instance_type: "gpu",
      status: "active",
    });
  });

  it("keeps updated_at of a long task moving, so that nobody resets it", async () => {
    const task = await createTask(await createOwner());
    await startTask(task, W);
    const before = Number((await readTask(task))["updated_at"]);
    await curl(BEAT, beatBody(W));
    expect(Number((await readTask(task))["updated_at"]))
      .toBeGreaterThan(before);
  });

  it.each([
    ["a level that is none", { level: "LOUD" }],
    ["a task id that is none", { task_id: "unknown" }],
    ["a time that is none", { timestamp: "yesterday" }],
    ["a time without a zone", { timestamp: "2026-01-11T12:00:00" }],
    ["a message that is no text", { message: { a: 1 } }],
  ])("beats with a line that has %s", async (_what, field) => {
    const lines = [{ message: "odd", ...field }, { message: "even" }];
    const reply = await curl(BEAT, beatBody(W, lines));
    expect(reply.status, reply.text).toBe(200);
    expect(reply.json).toMatchObject({ success: true });
    const found = await rest("GET", "system_logs", { message: "eq.even" });
    expect(found.json).toMatchObject([{
      source_type: "worker",
      worker_id: W,
      log_level: "INFO",
    }]);
  });
});

async function worker(): Promise<
  { status: string; metadata: Record<string, unknown> }
> {
  const query = { select: "*", id: `eq.${W}` };
  const { json } = await rest("GET", "workers", query, { headers: SINGLE });
  return json as { status: string; metadata: Record<string, unknown> };
}
