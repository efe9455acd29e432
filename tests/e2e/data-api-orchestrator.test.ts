import { beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { rest, SINGLE } from "../support/rest.ts";
import {
  createOwner,
  createTask,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";
import { rented } from "../support/fleet-words.ts";

const W = "gpu-of-a-test";
const AGO = new Date(Date.now() - 3_600_000).toISOString().replace(
  "Z",
  "+00:00",
);

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe("the gpu orchestrator through the Data API", () => {
  it("registers a worker and reads it back as an object", async () => {
    const body = {
      id: W,
      instance_type: "gpu",
      status: "inactive",
      metadata: { orchestrator_status: "spawning" },
      created_at: AGO,
    };
    const created = await rest("POST", "workers", {}, { body });
    expect(created.status, created.text).toBe(201);
    expect(created.json).toMatchObject([{ id: W, metadata: body.metadata }]);

    const query = { select: "metadata", id: `eq.${W}` };
    const one = await rest("GET", "workers", query, { headers: SINGLE });
    expect(one.json).toEqual({ metadata: body.metadata });
    const patch = { status: "active", metadata: rented("pod") };
    const changed = await rest("PATCH", "workers", { id: `eq.${W}` }, {
      body: patch,
    });
    expect(changed.status).toBe(200);
    expect(changed.json).toMatchObject([{ id: W, ...patch }]);
    const all = await rest("GET", "workers", {
      select: "*",
      order: "created_at.desc",
      status: "in.(spawning,active,terminating,error,terminated)",
    });
    expect(all.json).toMatchObject([{
      id: W,
      instance_type: "gpu",
      status: "active",
      created_at: expect.stringMatching(/(Z|\+00:00)$/),
      last_heartbeat: null,
    }]);
  });

  it("is told 406 and `0 rows` when a single row is not there", async () => {
    const query = { select: "metadata", id: "eq.nobody" };
    const reply = await rest("GET", "workers", query, { headers: SINGLE });
    expect(reply.status).toBe(406);
    expect(reply.json).toMatchObject({
      code: "PGRST116",
      details: expect.stringContaining("0 rows"),
    });
  });

  it("sees what a worker runs, when it started, when it was idle", async () => {
    const running = await createTask(owner);
    await startTask(running, W);
    const status = { worker_id: `eq.${W}`, status: "eq.In Progress" };
    const ids = await rest("GET", "tasks", { select: "id", ...status });
    expect(ids.json).toEqual([{ id: running }]);
    const rows = await rest("GET", "tasks", { select: "*", ...status });
    expect(rows.json).toMatchObject([{
      task_type: "clip",
      generation_started_at: expect.any(String),
      updated_at: expect.any(String),
    }]);

    await admin()`update public.tasks set status = 'Complete' where id = ${running}`;
    const idle = await rest("GET", "tasks", {
      select: "generation_processed_at,updated_at",
      worker_id: `eq.${W}`,
      status: "eq.Complete",
      order: "generation_processed_at.desc",
      limit: "1",
    });
    expect(idle.json).toMatchObject([{
      generation_processed_at: expect.any(String),
    }]);
    const done = await rest("GET", "tasks", {
      select: "id",
      worker_id: `eq.${W}`,
      status: "eq.Complete",
      generation_processed_at: `gte.${AGO}`,
    }, { headers: { prefer: "count=exact" } });
    expect(done.headers.get("content-range")).toBe("0-0/1");
  });
});
