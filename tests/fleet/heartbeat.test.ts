import { beforeEach, describe, expect, it } from "vitest";
import { beatBody, BeatReply, curl } from "../support/beats.ts";
import { admin } from "../support/db.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

const BEAT = "func_worker_heartbeat_with_logs";
const W = "gpu-of-a-test";

beforeEach(reset);

describe("the guardian's beat, with `apikey` alone", () => {
  it.each(["serviceRoleKey", "secretKey"] as const)(
    "is answered with an object (%s)",
    async (key) => {
      const reply = await curl(BEAT, beatBody(W), stack()[key]);
      expect(reply.status, reply.text).toBe(200);
      expect(BeatReply.parse(reply.json)).toMatchObject({
        success: true,
        logs_inserted: 0,
        stop: [],
      });
    },
  );

  it.each(["anonKey", "publishableKey"] as const)(
    "is refused with a key that everybody knows (%s)",
    async (key) => {
      const reply = await curl(BEAT, beatBody(W), stack()[key]);
      expect(reply.status).toBe(401);
      expect(reply.json).toMatchObject({ code: "42501" });
      expect(await workers()).toEqual([]);
    },
  );

  it("adds a worker that nobody has announced", async () => {
    await curl(BEAT, beatBody(W));
    expect(await workers()).toEqual([{
      id: W,
      instance_type: "external",
      status: "active",
      metadata: {
        vram_total_mb: 24564,
        vram_used_mb: 812,
        vram_timestamp: expect.any(Number),
      },
    }]);
  });

  it("may leave arguments out and bring new ones", async () => {
    const reply = await curl(BEAT, { worker_id_param: W });
    expect(reply.json).toMatchObject({ success: true });
    const odd = await curl(BEAT, { ...beatBody(W), some_new_param: [1] });
    expect(odd.json).toMatchObject({ success: true });
  });

  it("refuses a heartbeat that names nobody", async () => {
    const reply = await curl(BEAT, beatBody(""));
    expect(reply.status).toBe(400);
    expect(reply.json).toMatchObject({
      code: "PT400",
      details: "INVALID_ARGUMENT",
    });
  });

  it("brings back what the worker should stop", async () => {
    const owner = await createOwner();
    const [running, cancelled] = [
      await createTask(owner),
      await createTask(owner),
    ];
    await startTask(running, W);
    await startTask(cancelled, W);
    await admin()`
      update public.tasks set status = 'Cancelled' where id = ${cancelled}
    `;

    const line = { message: "Step 7 of 20", task_id: running };
    const reply = await curl(BEAT, beatBody(W, [line]));

    expect(BeatReply.parse(reply.json).stop).toEqual([
      { task_id: cancelled, reason: "cancelled" },
    ]);
    expect(await readTask(running)).toMatchObject({
      status: "In Progress",
      delivered_at: expect.any(Date),
      reported_at: expect.any(Date),
    });
  });
});

describe("the heartbeat without logs", () => {
  it("answers nothing", async () => {
    const reply = await curl("func_update_worker_heartbeat", {
      worker_id_param: W,
      vram_total_mb_param: 24564,
      vram_used_mb_param: 812,
    });
    expect([reply.status, reply.text]).toEqual([204, ""]);
    expect(await workers()).toMatchObject([{ id: W, status: "active" }]);
  });
});

function workers(): Promise<unknown[]> {
  return admin()`
    select id, instance_type, status, metadata from public.workers
  `.then((rows) => [...rows]);
}
