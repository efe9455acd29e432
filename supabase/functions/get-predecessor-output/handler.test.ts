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

const REPLY = '{"predecessor_id": "p", "output_location": null}';

describe("createHandler()", () => {
  test("asks about the task and passes the answer on as it is", async () => {
    const { deps, rpcCalls } = createWorld(REPLY);
    const response = await createHandler(deps)(
      post({ task_id: `{${TASK_ID.toUpperCase()}}`, extra: 1 }),
    );
    expect(await response.text()).toBe(REPLY);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(rpcCalls[0]).toMatchObject({
      name: "get_predecessor_output",
      args: { p_caller: { kind: "service" }, p_task_id: TASK_ID },
    });
  });

  test("answers null for a task that waits for none", async () => {
    const { deps } = createWorld("null");
    const response = await createHandler(deps)(post({ task_id: TASK_ID }));
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("null");
    expect(response.headers.get("content-type")).toBe("application/json");
  });

  test("asks for tokens, too", async () => {
    const { deps, rpcCalls } = createWorld(REPLY);
    await createHandler(deps)(
      post({ task_id: TASK_ID }, { authorization: `Bearer ${KEYS.token}` }),
    );
    expect(rpcCalls[0]?.args["p_caller"]).toMatchObject({ kind: "token" });
  });

  test.each([{}, { task_id: null }, { task_id: "unknown_task_1" }, {
    task_id: 7,
  }])(
    "answers 400 to %j",
    async (body) => {
      const { deps, rpcCalls } = createWorld(REPLY);
      expect(await outcome(createHandler(deps), post(body)))
        .toBe("400 INVALID_BODY");
      expect(rpcCalls).toEqual([]);
    },
  );

  test("answers 500 rather than a reply of another shape", async () => {
    const { deps } = createWorld("[]");
    expect(await outcome(createHandler(deps), post({ task_id: TASK_ID })))
      .toBe("500 INTERNAL");
  });

  test("survives hostile bodies", async () => {
    await assertSurvivesHostileBodies(
      createHandler,
      { task_id: TASK_ID },
      REPLY,
    );
  });
});
