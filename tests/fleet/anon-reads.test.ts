import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { rest, SINGLE } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

const W = "gpu-20251015_182603-1a2b3c4d";
let owner: Owner;
let parent: string;
let child: string;

beforeAll(async () => {
  await reset();
  owner = await createOwner();
  parent = await createTask(owner, { task_type: "travel_orchestrator" });
  await startTask(parent, W);
  const params = { orchestrator_task_id_ref: parent, segment_index: 0 };
  child = await createTask(owner, { params, dependant_on: parent });
});

afterAll(() => allow(false));

async function allow(isAllowed: boolean): Promise<void> {
  await admin()`select fairlane_core.allow_anon_reads(${isAllowed})`;
}

/** What the main loop of a deployed worker reads, by the contract's letters. */
const READS: Record<string, () => Record<string, string>> = {
  "A, what it holds": () => ({
    select: "id,params,task_type,project_id",
    worker_id: `eq.${W}`,
    status: "eq.In Progress",
    limit: "1",
  }),
  "B, which children are unfinished": () => ({
    select: "id,status",
    params: `cs.{"orchestrator_task_id_ref": "${parent}"}`,
  }),
  "G, an orchestrator's children": () => ({
    select: "id,task_type,status,params,output_location",
    params: `cs.{"orchestrator_task_id_ref": "${parent}"}`,
    order: "created_at.asc",
  }),
  "K, finished segments": () => ({
    select: "id,task_type,status,params,output_location",
    status: "eq.Complete",
  }),
};
const SINGLE_READS: Record<string, string> = {
  "C, the dependency": "dependant_on",
  "D, its output": "output_location,status",
  "E, a task it will depend on": "id",
  "F, a task it has enqueued": "status,created_at,project_id,task_type",
  "I, its params": "params",
  "J, what became of it": "status,output_location",
};

function read(query: Record<string, string>, headers = {}) {
  return rest("GET", "tasks", query, { key: stack().anonKey, headers });
}

/** As supabase-py does: with a body, and the deleted row wanted back. */
function remove(id: string) {
  const query = { id: `eq.${id}` };
  return rest("DELETE", "tasks", query, { key: stack().anonKey, body: {} });
}

describe("a worker that has only the anon key", () => {
  it.each(Object.keys(READS))("reads nothing by default: %s", async (name) => {
    const reply = await read(READS[name]?.() ?? {});
    expect(reply.status, reply.text).toBe(401);
    expect(reply.json).toMatchObject({ code: "42501" });
  });

  describe("after fairlane_core.allow_anon_reads(true)", () => {
    beforeAll(() => allow(true));

    it.each(Object.keys(READS))("reads %s", async (name) => {
      const reply = await read(READS[name]?.() ?? {});
      expect(reply.status, reply.text).toBe(200);
      const ids = (reply.json as { id: string }[]).map(({ id }) => id);
      expect(ids).toEqual(
        { A: [parent], B: [child], G: [child] }[name.charAt(0)] ?? [],
      );
    });

    it.each(Object.entries(SINGLE_READS))("reads %s", async (_, select) => {
      const reply = await read({ select, id: `eq.${child}` }, SINGLE);
      expect(reply.status, reply.text).toBe(200);
    });

    it("hears `0 rows` of a task that does not exist", async () => {
      const id = `eq.${crypto.randomUUID()}`;
      const reply = await read({ select: "id", id }, SINGLE);
      expect(reply.status).toBe(406);
      expect(reply.text).toContain("0 rows");
    });

    it("deletes nothing", async () => {
      expect((await remove(child)).status).toBe(401);
    });
  });

  describe("after fairlane_core.allow_anon_deletes(true)", () => {
    beforeAll(() => admin()`select fairlane_core.allow_anon_deletes(true)`);

    it("H: deletes a duplicate child, and counts the row that comes back", async () => {
      const duplicate = await createTask(owner, {
        params: { orchestrator_task_id_ref: parent, segment_index: 0 },
      });
      const deleted = await remove(duplicate);
      expect([deleted.status, deleted.json])
        .toMatchObject([200, [{ id: duplicate, status: "Queued" }]]);
      expect((await remove(duplicate)).json).toEqual([]);
      // The child that it had replaced counts again.
      expect(await readTask(child)).toMatchObject({ status: "Queued" });
    });

    it("L: counts what it may see", async () => {
      const query = { select: "count", limit: "1" };
      const reply = await read(query, { prefer: "count=exact" });
      expect([reply.status, reply.json]).toEqual([206, [{ count: 2 }]]);
    });

    it("deletes no child that is the only one of its part", async () => {
      const reply = await remove(child);
      expect([reply.status, reply.json]).toEqual([200, []]);
      expect(await readTask(child)).toMatchObject({ id: child });
    });
  });
});
