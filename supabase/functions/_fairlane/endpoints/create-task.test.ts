import { describe, expect, test } from "vitest";
import {
  createWorld,
  outcome,
  post,
  TASK_ID,
  USER_ID,
} from "../_test/fakes.ts";
import { assertSurvivesHostileBodies } from "../_test/hostile.ts";
import { ONCE_CREATED, REPEATABLE } from "../database/repetition.ts";
import { ApiError } from "../frame/api-error.ts";
import { RawJson } from "../json/raw-json.ts";
import { createTask } from "./create-task.ts";

const REPLY = `{"task_id":"${TASK_ID}","status":"Queued","created":true}`;
const OTHER_ID = "00000000-0000-0000-0000-0000000000c1";
const PROJECT_ID = "00000000-0000-0000-0000-0000000000d1";

/** The body that deployed orchestrators send. */
const DEPLOYED = {
  task_id: TASK_ID,
  params: { prompt: "a bus", task_id: "unknown_task_1" },
  task_type: "travel_segment",
  project_id: PROJECT_ID,
  dependant_on: null,
};

async function callOf(body: unknown) {
  const { deps, rpcCalls } = createWorld(REPLY);
  expect(await outcome(createTask(deps), post(body))).toBe("200");
  return rpcCalls[0];
}

/** The text that the database gets for one task. */
async function textOf(body: unknown): Promise<string> {
  const raw = (await callOf(body))?.args["p_task"];
  return raw instanceof RawJson ? raw.text : "";
}

async function taskOf(body: unknown): Promise<unknown> {
  return JSON.parse(await textOf(body));
}

describe("create-task", () => {
  const nameless = { task_type: "t" };
  const named = { ...nameless, idempotency_key: "k" };

  test.each([
    [nameless, ONCE_CREATED],
    [named, REPEATABLE],
    [DEPLOYED, REPEATABLE],
    [{ tasks: [named, nameless] }, ONCE_CREATED],
    [{ tasks: [named, { ...named, idempotency_key: "l" }] }, REPEATABLE],
  ])("%j is sent twice only if that is safe", async (body, expected) => {
    const { deps, repetitions } = createWorld(REPLY);
    await createTask(deps)(post(body));
    expect(repetitions).toEqual([expected]);
  });

  test("passes the task on as it is, with exactly 200", async () => {
    const { deps } = createWorld(REPLY);
    const response = await createTask(deps)(post(DEPLOYED));
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(REPLY);
  });

  test("takes the body of deployed orchestrators", async () => {
    expect((await callOf(DEPLOYED))?.name).toBe("create_task");
    expect(await taskOf(DEPLOYED)).toEqual({
      task_id: TASK_ID,
      task_type: "travel_segment",
      params: DEPLOYED.params,
      project: PROJECT_ID,
    });
  });

  test("takes the words of younger clients", async () => {
    const body = { family: "travel", input: { a: 1 }, project_id: PROJECT_ID };
    expect(await taskOf(body)).toEqual({
      task_type: "travel",
      family: "travel",
      params: { a: 1 },
      project: PROJECT_ID,
    });
    expect(await taskOf({ ...body, task_type: "t", params: { b: 2 } }))
      .toEqual({ task_type: "t", params: { b: 2 }, project: PROJECT_ID });
  });

  test("takes the id and the dependencies that workers since March put into input", async () => {
    const input = { a: 1, task_id: TASK_ID, dependant_on: [OTHER_ID] };
    const body = { family: "travel_stitch", project_id: PROJECT_ID };
    const task = {
      task_type: "travel_stitch",
      family: "travel_stitch",
      task_id: TASK_ID,
      depends_on: [OTHER_ID],
      params: input,
      project: PROJECT_ID,
    };
    expect(await taskOf({ ...body, input })).toEqual(task);
    expect(await taskOf({ ...body, input: { ...input, dependant_on: null } }))
      .not.toHaveProperty("depends_on");
    // What stands beside input was meant for the queue.
    expect(
      await taskOf({ ...body, input, task_id: OTHER_ID, dependant_on: [] }),
    )
      .toEqual({ ...task, task_id: OTHER_ID, depends_on: [] });
    // Params of the same names are the worker's own affair.
    const params = { task_id: "unknown_task_1", dependant_on: "x" };
    expect(await taskOf({ ...body, params, input })).toEqual({
      task_type: "travel_stitch",
      family: "travel_stitch",
      params,
      project: PROJECT_ID,
    });
  });

  test("hands every option on, and nothing else", async () => {
    const options = {
      run_type: "local",
      priority: -3,
      available_at: "2026-05-01T12:00:00+02:00",
      idempotency_key: "order-7",
      max_attempts: 1,
      timeout_seconds: 90,
      created_at: "2026-01-01T00:00:00.5Z",
      // The database decides whether that says anything.
      user_id: USER_ID,
    };
    const forged = { status: "Complete", owner_id: USER_ID };
    expect(await taskOf({ ...DEPLOYED, ...options, ...forged, attempts: 9 }))
      .toEqual({
        task_id: TASK_ID,
        task_type: "travel_segment",
        params: DEPLOYED.params,
        project: PROJECT_ID,
        ...options,
        available_at: "2026-05-01T10:00:00.000Z",
        created_at: "2026-01-01T00:00:00.500Z",
      });
  });

  test.each([
    [null, undefined],
    [undefined, undefined],
    [OTHER_ID, [OTHER_ID]],
    [[], []],
    [[OTHER_ID.toUpperCase(), OTHER_ID, TASK_ID], [OTHER_ID, TASK_ID]],
  ])("reads the dependency %j", async (dependant_on, depends_on) => {
    expect(await taskOf({ task_type: "t", dependant_on }))
      .toEqual({ task_type: "t", depends_on });
  });

  test.each([
    ["default_project_id", "default_project_id"],
    [`{${PROJECT_ID.toUpperCase()}}`, PROJECT_ID],
    [null, undefined],
  ])("hands the project %j on", async (project_id, project) => {
    expect(await taskOf({ task_type: "t", project_id }))
      .toEqual({ task_type: "t", project });
  });

  test.each(["params", "input"])(
    "keeps the client's own spelling of %s",
    async (field) => {
      const json = '{"seed": 9007199254740993, "a": 1.0, "__proto__": {}}';
      const text = await textOf(`{"task_type":"t","${field}": ${json} }`);
      expect(text).toBe(`{"task_type":"t","params":${json}}`);
    },
  );

  test("enqueues a batch in one call, each with its own params", async () => {
    const call = await callOf(`{"tasks": [
      {"task_id":"${TASK_ID}","task_type":"a","params":{"seed":9007199254740993}},
      {"task_type":"b","dependant_on":"${TASK_ID}","params":{"x":"]},{"}}
    ]}`);
    expect(call?.name).toBe("create_tasks");
    const tasks = [
      `{"task_id":"${TASK_ID}","task_type":"a","params":{"seed":9007199254740993}}`,
      `{"task_type":"b","depends_on":["${TASK_ID}"],"params":{"x":"]},{"}}`,
    ];
    expect(call?.args["p_tasks"]).toEqual(new RawJson(`[${tasks.join(",")}]`));
  });

  test("takes 1,000 tasks at once and not one more", async () => {
    const { deps } = createWorld(REPLY);
    const batch = (count: number) =>
      post({ tasks: Array.from({ length: count }, () => ({ family: "t" })) });
    expect(await outcome(createTask(deps), batch(1_000))).toBe("200");
    expect(await outcome(createTask(deps), batch(1_001)))
      .toBe("400 INVALID_BODY");
  });

  test.each([
    [{}, "task_type"],
    [{ ...DEPLOYED, task_id: "unknown_task_1767225600" }, "task_id"],
    [{ ...DEPLOYED, task_type: "" }, "task_type"],
    [{ ...DEPLOYED, task_type: "x".repeat(201) }, "task_type"],
    [{ ...DEPLOYED, params: [] }, "params"],
    [{ ...DEPLOYED, params: "{}" }, "params"],
    [{ ...DEPLOYED, project_id: 7 }, "project_id"],
    [{ ...DEPLOYED, dependant_on: "first" }, "dependant_on.0"],
    [{ ...DEPLOYED, dependant_on: [TASK_ID, null] }, "dependant_on.1"],
    [{ ...DEPLOYED, dependant_on: {} }, "dependant_on"],
    [{ ...DEPLOYED, run_type: "gpu" }, "run_type"],
    [{ ...DEPLOYED, priority: 1_001 }, "priority"],
    [{ ...DEPLOYED, priority: 0.5 }, "priority"],
    [{ ...DEPLOYED, available_at: "infinity" }, "available_at"],
    [{ ...DEPLOYED, available_at: "2026-05-01T12:00:00" }, "available_at"],
    [{ ...DEPLOYED, available_at: "2026-02-30T12:00:00Z" }, "available_at"],
    [{ ...DEPLOYED, available_at: "0000-01-01T00:00:00Z" }, "available_at"],
    [{ ...DEPLOYED, available_at: 1767225600 }, "available_at"],
    [{ ...DEPLOYED, max_attempts: 0 }, "max_attempts"],
    [{ ...DEPLOYED, timeout_seconds: -1 }, "timeout_seconds"],
    [{ ...DEPLOYED, idempotency_key: "" }, "idempotency_key"],
    [{ family: "t", input: { task_id: "segment_1" } }, "input.task_id"],
    [{ family: "t", input: { dependant_on: ["x"] } }, "input.dependant_on.0"],
    [{ tasks: [] }, "tasks"],
    [{ tasks: {} }, "tasks"],
    [{ tasks: [DEPLOYED, DEPLOYED] }, "tasks"],
    [{ tasks: [DEPLOYED, { params: {} }] }, "tasks.1.task_type"],
  ])("answers 400 to %j, naming %s", async (body, field) => {
    const { deps, rpcCalls } = createWorld(REPLY);
    const response = await createTask(deps)(post(body));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: "INVALID_BODY",
      details: [{ field }],
    });
    expect(rpcCalls).toEqual([]);
  });

  test("says when to come back to a full queue", async () => {
    const { deps } = createWorld(new ApiError("QUEUE_FULL", "Full"));
    const response = await createTask(deps)(post(DEPLOYED));
    expect(response.status).toBe(429);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
  });

  test.each([
    [{ ...DEPLOYED, available_at: null, priority: null }],
    [{ tasks: [DEPLOYED], task_type: "x" }],
  ])("survives hostile variants of %j", async (valid) => {
    await assertSurvivesHostileBodies(createTask, valid, REPLY);
  }, 300_000);
});
