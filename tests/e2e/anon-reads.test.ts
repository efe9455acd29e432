import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { rest, SINGLE } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { createOwner, createTask, reset, startTask } from "../support/world.ts";

const W = "gpu-20251015_182603-1a2b3c4d";
let parent: string;
let child: string;

beforeAll(async () => {
  await reset();
  const owner = await createOwner();
  parent = await createTask(owner, { task_type: "travel_orchestrator" });
  await startTask(parent, W);
  const params = { orchestrator_task_id_ref: parent, segment_index: 0 };
  child = await createTask(owner, { params, dependant_on: parent });
});

afterAll(() => allow(false));

async function allow(isAllowed: boolean): Promise<void> {
  await admin()`select queue.allow_anon_reads(${isAllowed})`;
}

/** What the main loop of a deployed worker reads, by the contract's letters. */
const READS: Record<string, () => Record<string, string>> = {
  "A, what it holds": () => ({
    select: "id,params,task_type,project_id",
    worker_id: `eq.${W}`,
    status: "eq.In Progress",
    limit: "1",
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
  "F, a task it has enqueued": "status,created_at,project_id,task_type",
  "I, its params": "params",
};

function read(query: Record<string, string>, headers = {}) {
  return rest("GET", "tasks", query, { key: stack().anonKey, headers });
}

describe("a worker that has only the anon key", () => {
  it.each(Object.keys(READS))("reads nothing by default: %s", async (name) => {
    const reply = await read(READS[name]?.() ?? {});
    expect(reply.status, reply.text).toBe(401);
    expect(reply.json).toMatchObject({ code: "42501" });
  });

  describe("after queue.allow_anon_reads(true)", () => {
    beforeAll(() => allow(true));

    it.each(Object.keys(READS))("reads %s", async (name) => {
      const reply = await read(READS[name]?.() ?? {});
      expect(reply.status, reply.text).toBe(200);
      const ids = (reply.json as { id: string }[]).map(({ id }) => id);
      expect(ids).toEqual({ A: [parent], G: [child] }[name.charAt(0)] ?? []);
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
      const query = { id: `eq.${child}` };
      const key = stack().anonKey;
      const reply = await rest("DELETE", "tasks", query, { key, body: {} });
      expect(reply.status).toBe(401);
    });
  });
});
