import { describe, expect, test } from "vitest";
import {
  createWorld,
  KEYS,
  outcome,
  post,
  TASK_ID,
} from "../_fairlane/_test/fakes.ts";
import { assertSurvivesHostileBodies } from "../_fairlane/_test/hostile.ts";
import { createHandler } from "./handler.ts";

const REPLY = '{"cancelled": 1, "passed_over": 0, "has_more": false}';

describe("createHandler()", () => {
  test("hands the filter on, and what is no filter beside it", async () => {
    const { deps, rpcCalls } = createWorld(REPLY);
    const response = await createHandler(deps)(post({
      task_ids: [`{${TASK_ID.toUpperCase()}}`],
      status: "Queued",
      task_type: null,
      reason: "wrong model",
      limit: 10,
      extra: 1,
    }));
    expect(await response.text()).toBe(REPLY);
    expect(rpcCalls[0]?.name).toBe("cancel_tasks");
    expect(rpcCalls[0]?.args).toEqual({
      p_caller: { kind: "service" },
      p_filter: { task_ids: [TASK_ID], status: "Queued" },
      p_limit: 10,
      p_reason: "wrong model",
    });
  });

  test("hears tokens, too", async () => {
    const { deps, rpcCalls } = createWorld(REPLY);
    await createHandler(deps)(
      post({ status: "Queued" }, { authorization: `Bearer ${KEYS.token}` }),
    );
    expect(rpcCalls[0]?.args["p_caller"]).toMatchObject({ kind: "token" });
  });

  test.each([
    { task_ids: TASK_ID },
    { task_ids: Array.from({ length: 1001 }, () => TASK_ID) },
    { task_ids: ["unknown_task_1"] },
    { status: "Complete" },
    { created_before: "yesterday" },
    { created_before: "1999-12-31T00:00:00Z" },
    { status: "Queued", limit: 0 },
    { status: "Queued", limit: 1001 },
  ])("answers 400 to %j", async (body) => {
    const { deps, rpcCalls } = createWorld(REPLY);
    expect(await outcome(createHandler(deps), post(body)))
      .toBe("400 INVALID_BODY");
    expect(rpcCalls).toEqual([]);
  });

  test("survives hostile bodies", async () => {
    await assertSurvivesHostileBodies(
      createHandler,
      { task_ids: [TASK_ID], task_type: "test", status: "Queued", limit: 5 },
      REPLY,
    );
  });
});
