import { describe, expect, test } from "vitest";
import {
  createWorld,
  KEYS,
  outcome,
  post,
  TASK_ID,
} from "../_fairlane/_test/fakes.ts";
import { assertSurvivesHostileBodies } from "../_fairlane/_test/hostile.ts";
import { ApiError } from "../_fairlane/frame/api-error.ts";
import { createHandler } from "./handler.ts";

const VALID = { shot_id: TASK_ID, task_id: "t1", enhanced_prompts: ["a", ""] };
const REFUSAL = new ApiError("NOT_SUPPORTED", "This queue keeps no shots");

describe("createHandler()", () => {
  test("lets the database refuse, which knows every caller", async () => {
    const { deps, rpcCalls } = createWorld(REFUSAL);
    const request = post(VALID, { authorization: `Bearer ${KEYS.token}` });
    expect(await outcome(createHandler(deps), request))
      .toBe("501 NOT_SUPPORTED");
    expect(rpcCalls[0]?.name).toBe("update_shot_pair_prompts");
    expect(rpcCalls[0]?.args).toEqual({
      p_caller: { kind: "token", hash: expect.any(String) },
    });
  });

  test.each([
    {},
    { ...VALID, shot_id: "7" },
    { ...VALID, task_id: 7 },
    { ...VALID, enhanced_prompts: "a" },
    { ...VALID, enhanced_prompts: [null] },
  ])("answers 400 to %j", async (body) => {
    const { deps, rpcCalls } = createWorld(REFUSAL);
    expect(await outcome(createHandler(deps), post(body)))
      .toBe("400 INVALID_BODY");
    expect(rpcCalls).toEqual([]);
  });

  test("survives hostile bodies", async () => {
    await assertSurvivesHostileBodies(createHandler, VALID, "{}");
  });
});
