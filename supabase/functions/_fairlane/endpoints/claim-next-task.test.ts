import { describe, expect, test } from "vitest";
import { createWorld, KEYS, outcome, post, TASK_ID } from "../_test/fakes.ts";
import { assertSurvivesHostileBodies } from "../_test/hostile.ts";
import { ONCE_CLAIMED, REPEATABLE } from "../database/repetition.ts";
import { ApiError } from "../frame/api-error.ts";
import { claimNextTask } from "./claim-next-task.ts";

const TASK = `{"task_id": "${TASK_ID}", "task_type": "travel_segment", ` +
  `"params": {"seed": 9007199254740993, "scale": 1.0}, "project_id": null, ` +
  `"lease_token": "00000000-0000-0000-0000-0000000000b1", "attempt": 1}`;
const PREVIEW = '{"dry_run":true,"available_tasks":0,"task":null}';
const VALID = {
  worker_id: "gpu-1",
  run_type: "gpu",
  claim_id: "c1",
  same_model_only: false,
  max_task_wait_minutes: 2.5,
  dry_run: false,
};

describe("claim-next-task", () => {
  test("passes the task on byte for byte, 64-bit seed and all", async () => {
    const { deps } = createWorld(TASK);
    const response = await claimNextTask(deps)(post({ worker_id: "gpu-1" }));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.text()).toBe(TASK);
  });

  test("answers 204 without a body when no task is free", async () => {
    const { deps } = createWorld("null");
    const response = await claimNextTask(deps)(post({ worker_id: "gpu-1" }));
    expect(response.status).toBe(204);
    expect(await response.text()).toBe("");
  });

  test.each([
    [{}, ONCE_CLAIMED],
    [{ dry_run: false }, ONCE_CLAIMED],
    [{ claim_id: "c1" }, REPEATABLE],
    [{ dry_run: true }, REPEATABLE],
  ])("with %j is sent twice only if that is safe", async (more, expected) => {
    const { deps, repetitions } = createWorld(TASK);
    await claimNextTask(deps)(post({ worker_id: "gpu-1", ...more }));
    expect(repetitions).toEqual([expected]);
  });

  test("hands every field to the database, and none but its own", async () => {
    const { deps, rpcCalls } = createWorld(TASK);
    await claimNextTask(deps)(
      post({ ...VALID, debug: true, user_id: "x", p_caller: "service" }),
    );
    expect(rpcCalls).toEqual([{
      name: "claim_next_task",
      requestId: "fresh-request-id",
      args: {
        p_caller: { kind: "service" },
        p_worker_id: "gpu-1",
        p_run_type: "gpu",
        p_claim_id: "c1",
        p_same_model_only: false,
        p_max_task_wait_minutes: 2.5,
        p_dry_run: false,
      },
    }]);
  });

  test.each([
    {},
    { params: null },
    { params: [] },
    { params: "{}" },
    { task_type: null },
    { task_id: null },
  ])("never answers 200 with a task like %j", async (change) => {
    const task = Object.keys(change).length
      ? { ...JSON.parse(TASK), ...change }
      : {};
    const { deps } = createWorld(JSON.stringify(task));
    expect(await outcome(claimNextTask(deps), post({ worker_id: "gpu-1" })))
      .toBe("500 INTERNAL");
  });

  test("answers a dry run with the preview, also when nothing is free", async () => {
    const { deps } = createWorld(PREVIEW);
    const response = await claimNextTask(deps)(
      post({ worker_id: "w", dry_run: true }),
    );
    expect(await response.text()).toBe(PREVIEW);
  });

  test.each([
    ["no worker_id", {}],
    ["an empty worker_id", { worker_id: "" }],
    ["a worker_id of 201 characters", { worker_id: "x".repeat(201) }],
    ["a numeric worker_id", { worker_id: 1 }],
    ["an unknown pool", { worker_id: "w", run_type: "cpu" }],
    ["a long claim_id", { worker_id: "w", claim_id: "x".repeat(129) }],
    ["a negative wait", { worker_id: "w", max_task_wait_minutes: -1 }],
    ["a wait in words", { worker_id: "w", max_task_wait_minutes: "NaN" }],
    ["an infinite wait", '{"worker_id":"w","max_task_wait_minutes":1e400}'],
    ["a flag in words", { worker_id: "w", dry_run: "yes" }],
  ])("answers 400 to %s", async (_what, body) => {
    const { deps, rpcCalls } = createWorld(TASK);
    expect(await outcome(claimNextTask(deps), post(body)))
      .toBe("400 INVALID_BODY");
    expect(rpcCalls).toEqual([]);
  });

  test("reads null as absent", async () => {
    const { deps, rpcCalls } = createWorld("null");
    await claimNextTask(deps)(
      post({ worker_id: "w", run_type: null, claim_id: null, dry_run: null }),
    );
    expect(rpcCalls[0]?.args["p_run_type"]).toBeUndefined();
  });

  test("cuts a wait that would overflow the database's interval", async () => {
    const { deps, rpcCalls } = createWorld("null");
    await claimNextTask(deps)(
      post({ worker_id: "w", max_task_wait_minutes: 1e308 }),
    );
    expect(rpcCalls[0]?.args["p_max_task_wait_minutes"]).toBe(525_600);
  });

  test("names a token's machine when it has no name", async () => {
    const { deps, rpcCalls } = createWorld("null");
    await claimNextTask(deps)(
      post({}, { authorization: `Bearer ${KEYS.token}` }),
    );
    expect(rpcCalls[0]?.args).toMatchObject({
      p_caller: {
        kind: "token",
        hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
      p_worker_id: "token-worker",
    });
  });

  test("passes on what the database refused", async () => {
    const refusal = new ApiError("WORKER_NOT_ELIGIBLE", "Worker is in error");
    const { deps } = createWorld(refusal);
    expect(await outcome(claimNextTask(deps), post({ worker_id: "w" })))
      .toBe("409 WORKER_NOT_ELIGIBLE");
  });

  test("notes that a worker claims although it gets nothing", async () => {
    const refusal = new ApiError("WORKER_NOT_ELIGIBLE", "Worker is in error");
    const { deps, rpcCalls } = createWorld(refusal);
    await claimNextTask(deps)(post({ worker_id: "gpu-1" }));
    expect(rpcCalls[1]).toMatchObject({
      name: "note_refused_claim",
      args: { p_caller: { kind: "service" }, p_worker_id: "gpu-1" },
    });
  });

  test.each(
    [
      ["WORKER_NOT_ELIGIBLE", { worker_id: "gpu-1", dry_run: true }],
      ["CLAIM_ID_USED", { worker_id: "gpu-1" }],
      ["UNAVAILABLE", { worker_id: "gpu-1" }],
    ] as const,
  )("notes nothing of %s to %j", async (code, body) => {
    const { deps, rpcCalls } = createWorld(new ApiError(code, "No"));
    await claimNextTask(deps)(post(body));
    expect(rpcCalls.map((call) => call.name)).toEqual(["claim_next_task"]);
  });

  test("logs the task and the worker", async () => {
    const { deps, lines } = createWorld(TASK);
    await claimNextTask(deps)(post({ worker_id: "gpu\n1" }));
    expect(lines.map((line) => JSON.parse(line))).toEqual([{
      level: "info",
      event: "request",
      request_id: "fresh-request-id",
      function: "claim-next-task",
      status: 200,
      caller: "service",
      worker_id: "gpu\n1",
      task_id: TASK_ID,
      ms: 0,
    }]);
    expect(lines[0]).not.toContain("\n");
  });

  test("survives hostile bodies", async () => {
    const reply = JSON.stringify({
      ...JSON.parse(TASK),
      ...JSON.parse(PREVIEW),
    });
    await assertSurvivesHostileBodies(claimNextTask, VALID, reply);
  });
});
