/**
 * The worker's main loop on the Data API: contract 4.1, A to L. It reads with
 * whatever key `--supabase-anon-key` names; here that is the service key. What
 * it may read with the anon key is decided elsewhere: docs/fleet.md.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { callFunction } from "../support/http.ts";
import { rest, SINGLE } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import { createOwner, type Owner, reset, startTask } from "../support/world.ts";

const W = "gpu-20260111_120000-0a1b2c3d";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe("a worker that polls", () => {
  it("A: finds the task whose claim reply it never got, with all it needs", async () => {
    await createTask(owner, { params: { prompt: "a bus" } });
    const id = await claim();
    const assigned = await rest("GET", "tasks", {
      select: "id,params,task_type,project_id",
      worker_id: `eq.${W}`,
      status: "eq.In Progress",
      limit: "1",
    });
    expect(assigned.status).toBe(200);
    expect(assigned.json).toEqual([{
      id,
      params: { prompt: "a bus" },
      task_type: "travel_segment",
      project_id: owner.projectId,
    }]);
  });

  it("A: finds nothing once its task has ended", async () => {
    await createTask(owner);
    const task_id = await claim();
    await edge("complete_task", { task_id, output_location: "done" });
    const assigned = await rest("GET", "tasks", {
      select: "id,params,task_type,project_id",
      worker_id: `eq.${W}`,
      status: "eq.In Progress",
      limit: "1",
    });
    expect(assigned.json).toEqual([]);
  });

  it("L: counts the table, and reads the number from Content-Range", async () => {
    await createTask(owner);
    await createTask(owner);
    const reply = await rest("GET", "tasks", { select: "count", limit: "1" }, {
      headers: { prefer: "count=exact" },
    });
    // 206: the limit left rows out.
    expect([reply.status, reply.json]).toEqual([206, [{ count: 2 }]]);
    expect(reply.headers.get("content-range")).toBe("0-0/2");
  });
});

describe("a worker that runs an orchestrator", () => {
  it("B: sees which children are unfinished", async () => {
    const parent = await createTask(owner, ORCHESTRATOR);
    const child = await childOf(parent);
    const reply = await rest("GET", "tasks", {
      select: "id,status",
      params: contains(parent),
    });
    expect(reply.json).toEqual([{ id: child, status: "Queued" }]);
  });

  it("G: lists the children, oldest first, with params and output", async () => {
    const parent = await createTask(owner, ORCHESTRATOR);
    const young = await childOf(parent, { created_at: "2026-01-11T12:00:01Z" });
    const old = await childOf(parent, { created_at: "2026-01-11T12:00:00Z" });
    await childOf(await createTask(owner, ORCHESTRATOR));
    const reply = await rest("GET", "tasks", {
      select: "id,task_type,status,params,output_location",
      params: contains(parent),
      order: "created_at.asc",
    });
    expect(reply.json).toEqual([old, young].map((id) => ({
      id,
      task_type: "travel_segment",
      status: "Queued",
      params: { orchestrator_task_id_ref: parent },
      output_location: null,
    })));
  });

  it("E, F: sees a child at once after create-task answered", async () => {
    const task_id = crypto.randomUUID();
    const gone = await single({ select: "id", id: `eq.${task_id}` });
    expect(gone.status).toBe(406);
    const created = await edge("create-task", {
      task_id,
      params: { prompt: "a bus" },
      task_type: "wgp",
      project_id: owner.projectId,
      dependant_on: null,
    });
    expect(created.status).toBe(200);
    const e = await single({ select: "id", id: `eq.${task_id}` });
    expect(e.json).toEqual({ id: task_id });
    const f = await single({
      select: "status,created_at,project_id,task_type",
      id: `eq.${task_id}`,
    });
    expect(f.json).toEqual({
      status: "Queued",
      created_at: expect.stringMatching(/(Z|\+00:00)$/),
      project_id: owner.projectId,
      task_type: "wgp",
    });
  });

  it("H: deletes a duplicate child and counts the row that comes back", async () => {
    const parent = await createTask(owner, ORCHESTRATOR);
    const child = await childOf(parent);
    const remove = () =>
      rest("DELETE", "tasks", { id: `eq.${child}` }, { body: {} });
    const deleted = await remove();
    expect([deleted.status, deleted.json]).toMatchObject([200, [{
      id: child,
    }]]);
    const again = await remove();
    expect([again.status, again.json]).toEqual([200, []]);
  });

  it("I: reads its parent's params as an object", async () => {
    const params = { orchestrator_details: { run_id: "20260111120000" } };
    const id = await createTask(owner, { ...ORCHESTRATOR, params });
    expect((await single({ select: "params", id: `eq.${id}` })).json)
      .toEqual({ params });
  });
});

describe("a worker that runs a part of a chain", () => {
  it("C, D: finds its predecessor by one id, then its output", async () => {
    const first = await createTask(owner);
    const second = await createTask(owner, { dependant_on: first });
    const c = await single({ select: "dependant_on", id: `eq.${second}` });
    expect(c.json).toEqual({ dependant_on: first });
    await startTask(first);
    await edge("complete_task", { task_id: first, output_location: "a.mp4" });
    const d = await single({
      select: "output_location,status",
      id: `eq.${first}`,
    });
    expect(d.json).toEqual({ output_location: "a.mp4", status: "Complete" });
  });

  it("C: finds null where there is none, one id where there are several", async () => {
    const [one, two] = [await createTask(owner), await createTask(owner)];
    const { json } = await edge("create-task", {
      task_type: "travel_stitch",
      params: {},
      project_id: owner.projectId,
      dependant_on: [one, two],
    });
    const { task_id } = json as { task_id: string };
    expect((await single({ select: "dependant_on", id: `eq.${one}` })).json)
      .toEqual({ dependant_on: null });
    expect((await single({ select: "dependant_on", id: `eq.${task_id}` })).json)
      .toEqual({ dependant_on: one });
  });

  it("J: polls a sub-task until it ends", async () => {
    const id = await createTask(owner);
    const poll = async () =>
      (await single({ select: "status,output_location", id: `eq.${id}` })).json;
    expect(await poll()).toEqual({ status: "Queued", output_location: null });
    await startTask(id);
    await edge("complete_task", { task_id: id, output_location: "a.mp4" });
    expect(await poll()).toEqual({
      status: "Complete",
      output_location: "a.mp4",
    });
  });

  it("J: is told at once that an id is none, with a 4xx", async () => {
    const reply = await single({
      select: "status,output_location",
      id: "eq.unknown_task_1768132800",
    });
    expect(reply.status).toBe(400);
    expect(reply.json).toMatchObject({ code: "22P02" });
  });

  it("K: finds finished segments when the function does not answer", async () => {
    const params = { orchestrator_run_id: "20260111120000", segment_index: 0 };
    const id = await createTask(owner, { params });
    await createTask(owner);
    await startTask(id);
    await edge("complete_task", { task_id: id, output_location: "a.mp4" });
    const done = { params, output_location: "a.mp4" };
    const all = await rest("GET", "tasks", {
      select: "id,task_type,status,params,output_location",
      status: "eq.Complete",
    });
    expect(all.json).toEqual([
      { id, task_type: "travel_segment", status: "Complete", ...done },
    ]);
    const segments = await rest("GET", "tasks", {
      select: "params,output_location",
      task_type: "eq.travel_segment",
      status: "eq.Complete",
    });
    expect(segments.json).toEqual([done]);
  });
});

const ORCHESTRATOR = { task_type: "travel_orchestrator" };

/** As supabase-py writes it: JSON as Python prints it, with a space. */
function contains(parent: string): string {
  return `cs.{"orchestrator_task_id_ref": "${parent}"}`;
}

function childOf(parent: string, columns = {}): Promise<string> {
  const params = { orchestrator_task_id_ref: parent };
  return createTask(owner, { params, ...columns });
}

function single(query: Record<string, string>) {
  return rest("GET", "tasks", query, { headers: SINGLE });
}

function edge(name: string, body: unknown) {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}

async function claim(): Promise<string> {
  const body = { worker_id: W, run_type: "gpu" };
  const reply = await edge("claim-next-task", body);
  return (reply.json as { task_id: string }).task_id;
}
