/**
 * The worker's calls of edge functions: contract 1, 2, 3 and 10, as far as
 * tests/e2e/ does not assert them already (docs/fleet.md says where).
 */
import { beforeEach, describe, expect, it } from "vitest";
import { callFunction, type Reply } from "../support/http.ts";
import { rest, send } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { filesBelow } from "../support/storage.ts";
import { createTask, createTasks } from "../support/fleet-tasks.ts";
import {
  createOwner,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

const W = "gpu-20260111_120000-0a1b2c3d";
/** What a worker calls itself that was started without a name. */
const NAMELESS = "gpu-20250723_221138-afa8403b";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe("a claim", () => {
  it("answers 200 only with all that the worker reads outside of any try", async () => {
    await createTask(owner, { params: null, task_type: "unheard_of" });
    const reply = await claim(W);
    expect([reply.status, reply.json]).toMatchObject([200, {
      task_id: expect.any(String),
      task_type: "unheard_of",
      params: {},
      project_id: owner.projectId,
    }]);
    const none = await claim("gpu-20260111_120000-00000002");
    expect([none.status, none.text]).toEqual([204, ""]);
  });

  it("gives nameless workers, who all send one id, a task each", async () => {
    await createTasks(owner, 2);
    const [one, two] = [await claim(NAMELESS), await claim(NAMELESS)];
    expect([one.status, two.status]).toEqual([200, 200]);
    expect(taskOf(one)).not.toBe(taskOf(two));
  });

  it("keeps to five tasks of one user, orchestrators aside", async () => {
    await createTasks(owner, 6);
    await createTask(owner, {
      task_type: "travel_orchestrator",
      priority: 9,
    });
    const statuses: number[] = [];
    for (let i = 0; i < 7; i++) statuses.push((await claim(`gpu-${i}`)).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 204]);
  });

  it("may be sent with two slashes, as an URL that ends in one makes", async () => {
    await createTask(owner);
    const reply = await send("//functions/v1/claim-next-task", {
      method: "POST",
      headers: {
        authorization: `Bearer ${stack().serviceRoleKey}`,
        "content-type": "application/json",
      },
      body: JSON.stringify({ worker_id: W, run_type: "gpu" }),
    });
    expect(reply.status).toBe(200);
  });
});

describe("a retry after a lost reply is answered 200, exactly, and changes nothing:", () => {
  it("create-task, three times at once", async () => {
    const body = {
      task_id: crypto.randomUUID(),
      params: { task_id: "unknown_task_1768132800" },
      task_type: "travel_segment",
      project_id: owner.projectId,
      dependant_on: null,
    };
    const replies = await Promise.all(
      [1, 2, 3].map(() => edge("create-task", body)),
    );
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200]);
    const rows = await rest("GET", "tasks", { select: "id,params" });
    expect(rows.json).toEqual([{ id: body.task_id, params: body.params }]);
  });

  it("complete_task by path, after the upload was repeated, too", async () => {
    const task_id = await running();
    const given = await edge("generate-upload-url", {
      task_id,
      filename: "out.mp4",
      content_type: "video/mp4",
    });
    const { upload_url, storage_path } = given.json as Record<string, string>;
    expect(upload_url).toMatch(/^http/);
    // Asked whether it is there at all, not whether it is null.
    expect(given.json).not.toHaveProperty("thumbnail_upload_url");
    for (const body of ["half", "the whole video"]) {
      const headers = { "content-type": "video/mp4" };
      const put = await fetch(upload_url ?? "", {
        method: "PUT",
        headers,
        body,
      });
      expect([200, 201]).toContain(put.status);
      await put.text();
    }
    const complete = { task_id, storage_path };
    const [first, again] = [
      await edge("complete_task", complete),
      await edge("complete_task", complete),
    ];
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.text).toBe(first.text);
    expect(await filesBelow(`${owner.id}/tasks`)).toHaveLength(1);
  });

  it.each([
    { status: "Failed", output_location: "Upload failed: timeout" },
    { status: "In Progress", output_location: "[IDEMPOTENT] 3 segments" },
    { status: "In Progress", reset_generation_started_at: true },
    { status: "Complete" },
  ])("update-task-status %j", async (body) => {
    const task_id = await running();
    for (let attempt = 0; attempt < 3; attempt++) {
      const reply = await edge("update-task-status", { task_id, ...body });
      expect(reply.status, reply.text).toBe(200);
    }
    expect(await readTask(task_id)).toMatchObject({
      status: body.status,
      attempts: 1,
      worker_id: W,
    });
  });
});

describe("an id that a worker made up is answered 4xx, at once:", () => {
  const id = "unknown_task_1768132800";
  it.each([
    ["update-task-status", { task_id: id, status: "Failed" }],
    [
      "update-task-status",
      { task_id: id, status: "In Progress", reset_generation_started_at: true },
    ],
    ["complete_task", { task_id: id, output_location: "a.mp4" }],
    ["generate-upload-url", { task_id: id, filename: "a.mp4" }],
    ["get-predecessor-output", { task_id: id }],
  ])("%s %j", async (name, body) => {
    const reply = await edge(name, body);
    expect(reply.status).toBeGreaterThanOrEqual(400);
    // These are repeated: 502, 503 and 504. No other 5xx is right either.
    expect(reply.status).toBeLessThan(500);
  });
});

describe("a child that fails", () => {
  it("reports its orchestrator, too, whose text is in both fields", async () => {
    const parent = await running({ task_type: "travel_orchestrator" });
    const text = "[ORCHESTRATOR_FAILED] Segment 1: CUDA out of memory";
    const body = { task_id: parent, status: "Failed", output_location: text };
    expect((await edge("update-task-status", body)).status).toBe(200);
    expect(await readTask(parent)).toMatchObject({
      status: "Failed",
      output_location: text,
      error_message: text,
    });
  });
});

describe("both generations of clients, on one database at one time", () => {
  it("share a chain of tasks: each creates, runs and ends a part", async () => {
    const [old, young] = [crypto.randomUUID(), crypto.randomUUID()];
    await edge("create-task", {
      task_id: old,
      task_type: "travel_segment",
      params: {},
      project_id: owner.projectId,
      dependant_on: null,
    });
    const created = await edge("create-task", {
      task_id: young,
      family: "travel_segment",
      input: {},
      project_id: owner.projectId,
      dependant_on: [old],
    });
    expect(created.status).toBe(200);
    for (
      const model of [{ model: "wan" }, { current_model: "wan" }]
    ) {
      const body = { id: W, instance_type: "gpu", status: "active" };
      await rest("POST", "workers", {}, { body });
      const told = await edge("update-worker-model", {
        worker_id: W,
        ...model,
      });
      expect(told.status).toBe(200);
    }
    // Without a lease, then with one.
    expect(taskOf(await claim(W))).toBe(old);
    const plain = { task_id: old, output_location: "a.mp4" };
    expect((await edge("complete_task", plain)).status).toBe(200);
    const claimed = await claim("worker-of-tomorrow");
    expect(taskOf(claimed)).toBe(young);
    const { lease_token } = claimed.json as { lease_token: string };
    const exact = { ...plain, task_id: young, lease_token };
    expect((await edge("complete-task", exact)).status).toBe(200);
    const query = { select: "dependant_on", id: `eq.${young}` };
    expect((await rest("GET", "tasks", query)).json)
      .toEqual([{ dependant_on: old }]);
  });
});

async function running(columns = {}): Promise<string> {
  const id = await createTask(owner, columns);
  await startTask(id, W);
  return id;
}

function edge(name: string, body: unknown): Promise<Reply> {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}

function claim(worker_id: string): Promise<Reply> {
  return edge("claim-next-task", { worker_id, run_type: "gpu" });
}

function taskOf(reply: Reply): unknown {
  return (reply.json as { task_id?: unknown } | undefined)?.task_id;
}
