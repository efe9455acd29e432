import { describe, expect, test } from "vitest";
import { createWorld, outcome, post, TASK_ID } from "../_test/fakes.ts";
import { assertSurvivesHostileBodies } from "../_test/hostile.ts";
import { assertTakesEveryReport } from "../_test/reports.ts";
import { ONE_CALL } from "./one-call.ts";

const createHandler = ONE_CALL["mark-task-failed"];
const REPLY = `{"task_id":"${TASK_ID}","status":"Queued"}`;
const LEASE = "00000000-0000-0000-0000-0000000000b1";

async function argsOf(body: unknown) {
  const { deps, rpcCalls } = createWorld(REPLY);
  expect(await outcome(createHandler(deps), post(body))).toBe("200");
  return rpcCalls[0]?.args ?? {};
}

describe("mark-task-failed", () => {
  test("hands everything on", async () => {
    const body = {
      task_id: TASK_ID,
      error_message: "short",
      error_details: "trace",
      retryable: false,
      lease_token: LEASE,
    };
    expect(await argsOf({ ...body, attempts: 2 })).toEqual({
      p_caller: { kind: "service" },
      p_task_id: TASK_ID,
      p_error_message: "short",
      p_error_details: "trace",
      p_retryable: false,
      p_lease_token: LEASE,
    });
  });

  test("takes the reason from output_location when there is no other", async () => {
    expect(await argsOf({ task_id: TASK_ID, output_location: "boom" }))
      .toMatchObject({ p_error_message: "boom" });
  });

  test("leaves what is absent to the database", async () => {
    expect(await argsOf({ task_id: TASK_ID, retryable: null })).toEqual({
      p_caller: { kind: "service" },
      p_task_id: TASK_ID,
    });
  });

  test.each([["no", false], ["True", true], [0, false], ["maybe", undefined]])(
    "reads the flag %j as %j",
    async (retryable, flag) => {
      expect((await argsOf({ task_id: TASK_ID, retryable }))["p_retryable"])
        .toBe(flag);
    },
  );

  test("reads a lease that is none as absent", async () => {
    expect(await argsOf({ task_id: TASK_ID, lease_token: "" })).toEqual({
      p_caller: { kind: "service" },
      p_task_id: TASK_ID,
    });
  });

  test.each([{}, { task_id: "7" }, { task_id: [TASK_ID] }])(
    "answers 400 to %j",
    async (body) => {
      const { deps, rpcCalls } = createWorld(REPLY);
      expect(await outcome(createHandler(deps), post(body)))
        .toBe("400 INVALID_BODY");
      expect(rpcCalls).toEqual([]);
    },
  );

  test("records text that no database takes as it is", async () => {
    const body = `{"task_id":"${TASK_ID}","error_message":"a\\u0000\\ud83d"}`;
    expect(await argsOf(body)).toMatchObject({
      p_error_message: "a\uFFFD\uFFFD",
    });
  });

  test("takes whatever a worker says", async () => {
    const words = ["error_message", "error_details"];
    const optional = [...words, "output_location", "retryable", "lease_token"];
    const report = { needed: { task_id: TASK_ID }, optional, words };
    await assertTakesEveryReport(createHandler, report, REPLY);
  }, 300_000);

  test("survives hostile bodies", async () => {
    const valid = {
      task_id: TASK_ID,
      error_message: "x",
      output_location: "x",
      error_details: "x",
      retryable: true,
      lease_token: null,
    };
    await assertSurvivesHostileBodies(createHandler, valid, REPLY);
  });
});
