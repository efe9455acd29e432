import { describe, expect, test } from "vitest";
import { createWorld, KEYS, outcome, post } from "../_fairlane/_test/fakes.ts";
import { assertSurvivesHostileBodies } from "../_fairlane/_test/hostile.ts";
import { createHandler } from "./handler.ts";

const TASK_ID = "306199b3-566d-49e5-8dd7-e2d57ab9c61b";
const REPLY = '{"reason": "user_at_limit"}';

describe("createHandler()", () => {
  test("asks about a task", async () => {
    const { deps, rpcCalls } = createWorld(REPLY);
    const response = await createHandler(deps)(
      post({ task_id: TASK_ID.toUpperCase() }),
    );
    expect(await response.text()).toBe(REPLY);
    expect(rpcCalls[0]).toMatchObject({
      name: "explain_task",
      args: { p_caller: { kind: "service" }, p_task_id: TASK_ID },
    });
  });

  test("asks about a worker", async () => {
    const { deps, rpcCalls } = createWorld(REPLY);
    await createHandler(deps)(post({ worker_id: "gpu-1", run_type: "api" }));
    expect(rpcCalls[0]).toMatchObject({
      name: "explain_worker",
      args: { p_worker_id: "gpu-1", p_run_type: "api" },
    });
  });

  test.each([
    {},
    { task_id: TASK_ID, worker_id: "gpu-1" },
    { task_id: "unknown_task_1" },
    { worker_id: "" },
  ])("answers 400 to %j", async (body) => {
    const { deps, rpcCalls } = createWorld(REPLY);
    expect(await outcome(createHandler(deps), post(body)))
      .toBe("400 INVALID_BODY");
    expect(rpcCalls).toEqual([]);
  });

  test("asks for tokens, too", async () => {
    const { deps, rpcCalls } = createWorld(REPLY);
    await createHandler(deps)(
      post({ task_id: TASK_ID }, { authorization: `Bearer ${KEYS.token}` }),
    );
    expect(rpcCalls[0]?.args["p_caller"]).toMatchObject({ kind: "token" });
  });

  test("survives hostile bodies", async () => {
    await assertSurvivesHostileBodies(
      createHandler,
      { task_id: TASK_ID },
      REPLY,
    );
  });
});
