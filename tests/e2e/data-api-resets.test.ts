import { beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { RESET } from "../support/resets.ts";
import { rest, send, supabasePy } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

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

describe("direct writes to tasks through the Data API", () => {
  it("resets the tasks of failed workers by ids it read before", async () => {
    const [running, ended] = [await createTask(owner), await createTask(owner)];
    await startTask(running, W);
    await startTask(ended, "another-worker");
    const found = await rest("GET", "tasks", {
      select: "id,task_type",
      status: "eq.In Progress",
      worker_id: `in.(${W},another-worker)`,
      attempts: "lt.3",
    });
    expect(found.json).toHaveLength(2);
    // In between, one of them is completed.
    await admin()`update public.tasks set status = 'Complete' where id = ${ended}`;
    const reply = await resetTasks(
      [running, ended],
      "Reset - orphaned from failed worker",
    );
    expect(reply.status, reply.text).toBe(200);
    expect(reply.json).toMatchObject([{
      id: running,
      status: "Queued",
      worker_id: null,
      attempts: 1,
      error_message: "Reset - orphaned from failed worker",
    }]);
    expect((await readTask(ended))["status"]).toBe("Complete");
    expect(await counterDrift()).toEqual([]);
  });

  it("resets tasks of api workers one by one; attempts stay counted", async () => {
    const id = await createTask(owner, { task_type: "edit_image" });
    await startTask(id, "api-worker-main");
    const found = await rest("GET", "tasks", {
      select: "id,task_type,worker_id,attempts",
      status: "eq.In Progress",
      worker_id: "like.api-worker-%",
      generation_started_at: `lt.${
        new Date(Date.now() + 60_000).toISOString()
      }`,
      attempts: "lt.3",
    });
    expect(found.json).toEqual([{
      id,
      task_type: "edit_image",
      worker_id: "api-worker-main",
      attempts: 1,
    }]);
    const body = {
      ...RESET,
      attempts: 2,
      error_message: "Reset - orphaned from API worker timeout (attempt 2/3)",
    };
    const reply = await rest("PATCH", "tasks", { id: `eq.${id}` }, { body });
    // Only a start counts, and there was one.
    expect(reply.json).toMatchObject([{ id, status: "Queued", attempts: 1 }]);
  });

  it("finds stale and unassigned work with its repeated filters", async () => {
    const id = await createTask(owner);
    await startTask(id, W);
    const later = encodeURIComponent(
      new Date(Date.now() + 60_000).toISOString(),
    );
    const reply = await send(
      "/rest/v1/tasks?select=id,task_type,worker_id&status=eq.In%20Progress" +
        "&worker_id=not.is.null&worker_id=not.like.api-worker-%25" +
        `&updated_at=lt.${later}&attempts=lt.3`,
      { headers: supabasePy(stack().serviceRoleKey) },
    );
    expect(reply.json).toEqual([{
      id,
      task_type: "clip",
      worker_id: W,
    }]);
    const unassigned = await rest("GET", "tasks", {
      select: "id,task_type",
      status: "eq.In Progress",
      worker_id: "is.null",
      generation_started_at: `lt.${AGO}`,
    });
    expect(unassigned.json).toEqual([]);
  });

  it("puts a task back after a fatal error of its own worker only", async () => {
    const id = await createTask(owner);
    await startTask(id, W);
    const body = {
      status: "Queued",
      worker_id: null,
      generation_started_at: null,
      error_details: "FATAL: CUDA driver",
    };
    const query = (worker: string) => ({
      id: `eq.${id}`,
      worker_id: `eq.${worker}`,
      status: "eq.In Progress",
    });
    const foreign = await rest("PATCH", "tasks", query("another"), { body });
    expect(foreign.status).toBe(200);
    expect(foreign.json).toEqual([]);
    const own = await rest("PATCH", "tasks", query(W), { body });
    expect(own.json).toMatchObject([{
      id,
      status: "Queued",
      error_details: "FATAL: CUDA driver",
    }]);
  });

  it("cannot bring a finished task back, nor start one", async () => {
    const [done, waiting] = [await createTask(owner), await createTask(owner)];
    await startTask(done);
    await admin()`update public.tasks set status = 'Complete' where id = ${done}`;
    const back = await resetTasks([done], "Reset");
    expect(back.status).toBe(200);
    expect(back.json).toEqual([]);
    const body = { status: "In Progress", worker_id: W };
    const start = await rest("PATCH", "tasks", { id: `eq.${waiting}` }, {
      body,
    });
    expect(start.json).toEqual([]);
    expect((await readTask(waiting))["status"]).toBe("Queued");
  });

  it("creates a generation also when a PATCH completes the task", async () => {
    const id = await createTask(owner);
    await startTask(id);
    const body = {
      status: "Complete",
      output_location: "https://files.test/a.mp4",
    };
    const reply = await rest("PATCH", "tasks", { id: `eq.${id}` }, { body });
    expect(reply.json).toMatchObject([{ id, generation_created: true }]);
    const query = { select: "location", task_id: `eq.${id}` };
    expect((await rest("GET", "generations", query)).json)
      .toEqual([{ location: "https://files.test/a.mp4" }]);
  });

  it("creates a test task as its scripts do, and deletes it", async () => {
    const id = crypto.randomUUID();
    const body = {
      id,
      task_type: "test",
      params: { a: 1 },
      status: "Queued",
      project_id: owner.projectId,
      attempts: 0,
    };
    const created = await rest("POST", "tasks", {}, { body });
    expect(created.status, created.text).toBe(201);
    expect(created.json).toMatchObject([{
      id,
      user_id: owner.id,
      run_type: "cloud",
    }]);
    const deleted = await rest("DELETE", "tasks", { id: `eq.${id}` }, {
      body: {},
    });
    expect(deleted.status).toBe(200);
    expect(deleted.json).toMatchObject([{ id }]);
    expect(await counterDrift()).toEqual([]);
  });

  it("may put two slashes before the path", async () => {
    const headers = supabasePy(stack().serviceRoleKey);
    const reply = await send("//rest/v1/tasks?select=id", { headers });
    expect(reply.status).toBe(200);
    expect(reply.json).toEqual([]);
  });
});

function resetTasks(ids: readonly string[], error_message: string) {
  const query = { id: `in.(${ids.join(",")})` };
  return rest("PATCH", "tasks", query, { body: { ...RESET, error_message } });
}
