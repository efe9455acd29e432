/** What `debug.py` and the scripts read and write: contract 4.4, and 5 below. */
import { beforeEach, describe, expect, it } from "vitest";
import { CountsReply } from "../../shared/counts.ts";
import { callFunction } from "../support/http.ts";
import { rest } from "../support/rest.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";

const W = "gpu-20260111_120000-0a1b2c3d";
const OLD = "2000-01-01T00:00:00+00:00";

let owner: Owner;
let task: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  task = await createTask(owner);
  await startTask(task, W);
});

describe("tasks", () => {
  it("are read by id, alone or with others", async () => {
    const query = { select: "*", id: `eq.${task}` };
    expect((await rest("GET", "tasks", query)).json)
      .toMatchObject([{ id: task, worker_id: W }]);
  });

  it.each([
    ["of a worker", { worker_id: `eq.${W}`, limit: "20" }],
    ["of a status", { status: "eq.In Progress", limit: "50" }],
    ["of a type", { task_type: "eq.travel_segment", limit: "50" }],
    ["since a time", { created_at: `gte.${OLD}`, limit: "50" }],
  ])("are listed %s", async (_what, filter) => {
    const query = { select: "*", order: "created_at.desc", ...filter };
    expect((await rest("GET", "tasks", query)).json)
      .toMatchObject([{ id: task, worker_id: W }]);
  });

  it("are counted by status, and by run_type where there is one", async () => {
    expect((await rest("GET", "tasks", { select: "status" })).json)
      .toEqual([{ status: "In Progress" }]);
    expect((await rest("GET", "tasks", { select: "id,status,run_type" })).json)
      .toEqual([{ id: task, status: "In Progress", run_type: "cloud" }]);
  });

  it("are found by what they wait for, and by project and type", async () => {
    const child = await createTask(owner, { dependant_on: task });
    const select = "id,task_type,status,error_message,output_location," +
      "created_at,generation_started_at,generation_processed_at,worker_id," +
      "attempts,params";
    const query = { select, dependant_on: `eq.${task}` };
    expect((await rest("GET", "tasks", query)).json)
      .toMatchObject([{ id: child, status: "Queued", attempts: 0 }]);
    const all = await rest("GET", "tasks", {
      select,
      project_id: `eq.${owner.projectId}`,
      task_type: "in.(travel_segment,travel_stitch,join_clips)",
    });
    expect(all.json).toHaveLength(2);
  });

  it("say from which task their failure came, in the words it looks for", async () => {
    const child = await createTask(owner, { dependant_on: task });
    const body = { status: "Failed", error_message: "out of memory" };
    await rest("PATCH", "tasks", { id: `eq.${task}` }, { body });
    const query = {
      select: "error_message,output_location",
      id: `eq.${child}`,
    };
    const words = `Cascaded failed from related task ${task}`;
    expect((await rest("GET", "tasks", query)).json).toMatchObject([{
      error_message: expect.stringContaining(words),
      output_location: expect.stringContaining(words),
    }]);
  });

  it("are requeued by hand", async () => {
    const body = {
      status: "Queued",
      worker_id: null,
      generation_started_at: null,
      updated_at: new Date().toISOString(),
    };
    const reply = await rest("PATCH", "tasks", { id: `eq.${task}` }, { body });
    expect([reply.status, reply.json]).toMatchObject([200, [{
      id: task,
      status: "Queued",
      worker_id: null,
    }]]);
  });
});

describe("workers", () => {
  beforeEach(async () => {
    for (const status of ["active", "spawning", "terminated"]) {
      const body = { id: `gpu-${status}`, instance_type: "gpu", status };
      await rest("POST", "workers", {}, { body });
    }
  });

  it.each<[Record<string, string>, number]>([
    [{}, 3],
    [{ id: "eq.gpu-active" }, 1],
    [{ status: "eq.active" }, 1],
    [{ status: "eq.spawning" }, 1],
    [{ status: "neq.terminated" }, 2],
    [{ created_at: `gte.${OLD}` }, 3],
    [{ created_at: `lte.${OLD}` }, 0],
  ])("are listed by %j", async (filter, count) => {
    const reply = await rest("GET", "workers", { select: "*", ...filter });
    expect(reply.json).toHaveLength(count);
  });

  it.each([
    "id,status,created_at,last_heartbeat,metadata",
    "status,last_heartbeat,created_at",
  ])("are read as %s", async (select) => {
    const query = { select, id: "eq.gpu-active" };
    const [row] = (await rest("GET", "workers", query)).json as object[];
    expect(Object.keys(row ?? {})).toEqual(select.split(","));
  });

  it("are terminated by hand", async () => {
    const body = { status: "terminated", metadata: { terminated_by: "debug" } };
    const query = { id: "eq.gpu-active" };
    const reply = await rest("PATCH", "workers", query, { body });
    expect(reply.json).toMatchObject([body]);
  });
});

describe("log lines", () => {
  it.each([
    "timestamp",
    "timestamp,message",
    "source_id,source_type,timestamp",
    "log_level,source_type",
    "cycle_number,timestamp",
  ])("are read as %s", async (select) => {
    const line = {
      source_type: "orchestrator_gpu",
      source_id: "main",
      log_level: "INFO",
      message: "Cycle 7",
      cycle_number: 7,
      task_id: task,
      worker_id: W,
    };
    const logged = { logs: [line, { ...line, cycle_number: 8 }] };
    await scripts("func_insert_logs_batch", logged);
    const reply = await rest("GET", "system_logs", {
      select,
      source_type: "eq.orchestrator_gpu",
      source_id: "eq.main",
      worker_id: `eq.${W}`,
      task_id: `eq.${task}`,
      cycle_number: "not.is.null",
      order: "cycle_number.desc",
      limit: "5000",
    });
    const rows = reply.json as Record<string, unknown>[];
    expect(rows).toHaveLength(2);
    expect(Object.keys(rows[0] ?? {})).toEqual(select.split(","));
    if (select.startsWith("cycle")) expect(rows[0]?.["cycle_number"]).toBe(8);
  });
});

describe("database functions", () => {
  it("func_get_task_counts answers like task-counts", async () => {
    await createTask(owner);
    for (
      const body of [
        { mode: "count" },
        { mode: "active", run_type_filter: "gpu" },
      ]
    ) {
      const reply = await scripts("func_get_task_counts", body);
      expect(reply.status, reply.text).toBe(200);
      expect(CountsReply.parse(reply.json).totals)
        .toMatchObject({ queued_only: 1, active_only: 1 });
    }
    const queued = await scripts("func_get_task_counts", { mode: "queued" });
    expect(CountsReply.parse(queued.json).totals)
      .toMatchObject({ queued_only: 1, queued_plus_active: 1 });
  });

  it("func_get_task_counts tells cloud from local as the script means it", async () => {
    const token = await createToken(owner);
    await createTask(owner);
    await createTask(owner, { run_type: "local" });
    await createTask(owner, { run_type: "local" });
    await callFunction("claim-next-task", { worker_id: "at-home" }, {
      key: token,
    });
    const ask = async (run_type_filter: string) => {
      const body = { mode: "count", run_type_filter };
      const reply = await scripts("func_get_task_counts", body);
      expect(reply.status, reply.text).toBe(200);
      return reply.json as Record<string, unknown>;
    };
    const cloud = await ask("cloud");
    const home = await ask("local");
    // One of the three was claimed with the token: whichever was first.
    expect(cloud).toMatchObject({
      totals: { active_only: 1 },
      global_task_breakdown: { in_progress_cloud: 1, in_progress_local: 0 },
      recent_tasks: [{ task_id: task, is_cloud: true }],
      users: [{ user_id: owner.id }],
    });
    expect(home).toMatchObject({
      totals: { active_only: 1 },
      global_task_breakdown: { in_progress_cloud: 0, in_progress_local: 1 },
      recent_tasks: [{ status: "In Progress", is_cloud: false }],
      users: [{ user_id: owner.id, in_progress_tasks: 1, at_limit: false }],
    });
    const queued = (counts: Record<string, unknown>) =>
      (counts["totals"] as { queued_only: number }).queued_only;
    expect(queued(cloud) + queued(home)).toBe(2);
    expect(queued(home)).toBeGreaterThan(0);
    const wrong = await scripts("func_get_task_counts", {
      run_type_filter: "moon",
    });
    expect(wrong.status).toBe(400);
  });

  it.each(["func_claim_available_task", "func_claim_task", "sql"])(
    "%s is looked for and not there: 404, in JSON",
    async (name) => {
      const reply = await scripts(name, { worker_id_param: W });
      expect([reply.status, reply.json])
        .toMatchObject([404, { code: "PGRST202" }]);
    },
  );
});

/** Calls a database function as supabase-py does. */
function scripts(name: string, body: unknown) {
  return rest("POST", `rpc/${name}`, {}, { body });
}
