/** The columns that clients read, by name and type: contract 7. */
import { beforeEach, describe, expect, it } from "vitest";
import { beatBody, curl } from "../support/beats.ts";
import { callFunction } from "../support/http.ts";
import { rest, SINGLE } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import { createOwner, type Owner, reset, startTask } from "../support/world.ts";

const BEAT = "func_worker_heartbeat_with_logs";
const W = "gpu-20260111_120000-0a1b2c3d";

let owner: Owner;
let task: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  task = await createTask(owner);
  await startTask(task, W);
});

const TIME = /^\d{4}-\d\d-\d\dT.*\+00:00$/;

describe("a task", () => {
  it("has the types of the contract while it runs", async () => {
    expect(await only("tasks")).toMatchObject({
      id: task,
      task_type: "travel_segment",
      params: {},
      status: "In Progress",
      project_id: owner.projectId,
      dependant_on: null,
      worker_id: W,
      output_location: null,
      attempts: 1,
      error_message: null,
      error_details: null,
      created_at: expect.stringMatching(TIME),
      updated_at: expect.stringMatching(TIME),
      generation_started_at: expect.stringMatching(TIME),
      generation_processed_at: null,
      result_data: null,
      generation_created: false,
    });
  });

  it("keeps its worker when it is Complete, and has a time and a result then", async () => {
    await edge("complete_task", { task_id: task, output_location: "a.mp4" });
    expect(await only("tasks")).toMatchObject({
      status: "Complete",
      worker_id: W,
      output_location: "a.mp4",
      attempts: 1,
      generation_processed_at: expect.stringMatching(TIME),
      generation_created: true,
    });
  });

  it("has its error where its result would be, and no time of completion", async () => {
    const output_location = "out of memory";
    const body = { task_id: task, status: "Failed", output_location };
    await edge("update-task-status", body);
    expect(await only("tasks")).toMatchObject({
      status: "Failed",
      worker_id: W,
      output_location,
      error_message: output_location,
      generation_processed_at: null,
      generation_created: false,
    });
  });

  it.each(["complete", "in progress", "Done", ""])(
    "never has a status that clients do not know: %j",
    async (status) => {
      const query = { id: `eq.${task}` };
      const reply = await rest("PATCH", "tasks", query, { body: { status } });
      expect([reply.status, reply.json]).toEqual([200, []]);
      expect(await only("tasks")).toMatchObject({ status: "In Progress" });
    },
  );
});

describe("a worker", () => {
  it("has an object as metadata and no beat before its first", async () => {
    await rest("POST", "workers", {}, { body: { id: W } });
    expect(await only("workers")).toMatchObject({
      id: W,
      instance_type: expect.any(String),
      status: "inactive",
      last_heartbeat: null,
      created_at: expect.stringMatching(TIME),
      metadata: {},
      current_model: null,
    });
  });

  it("has the time of its beat, its memory in numbers, its model", async () => {
    await curl(BEAT, beatBody(W));
    await edge("update-worker-model", { worker_id: W, model: "wan_2_2_i2v" });
    expect(await only("workers")).toMatchObject({
      id: W,
      instance_type: "external",
      status: "active",
      last_heartbeat: expect.stringMatching(TIME),
      metadata: {
        vram_total_mb: 24564,
        vram_used_mb: 812,
        vram_timestamp: expect.any(Number),
      },
      current_model: "wan_2_2_i2v",
    });
  });
});

describe("a log line", () => {
  it("has null where an orchestrator says nothing", async () => {
    const line = { source_type: "edge_function", message: "hello" };
    await rest("POST", "rpc/func_insert_logs_batch", {}, {
      body: { logs: [line] },
    });
    expect(await only("system_logs")).toMatchObject({
      id: expect.any(Number),
      timestamp: expect.stringMatching(TIME),
      ...line,
      source_id: null,
      log_level: expect.any(String),
      task_id: null,
      worker_id: null,
      cycle_number: null,
      metadata: {},
    });
  });

  it.each(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])(
    "of a worker keeps its level %s, its time and its task as text",
    async (level) => {
      const line = {
        level,
        message: "Step 7 of 20 \u{1F600}",
        timestamp: new Date(Date.now() - 5_000).toISOString(),
        task_id: task,
        metadata: { module: "worker", lineno: 7 },
      };
      await curl(BEAT, beatBody(W, [line]));
      const query = { task_id: `eq.${task}` };
      const { json } = await rest("GET", "system_logs", query);
      const [row] = json as { timestamp: string }[];
      expect(Date.parse(row?.timestamp ?? "")).toBe(Date.parse(line.timestamp));
      expect(json).toMatchObject([{
        source_type: "worker",
        log_level: level,
        message: line.message,
        task_id: task,
        worker_id: W,
        metadata: line.metadata,
      }]);
    },
  );
});

/** The one row of a table. */
async function only(table: string): Promise<unknown> {
  const query = { select: "*" };
  return (await rest("GET", table, query, { headers: SINGLE })).json;
}

function edge(name: string, body: unknown) {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}
