import { describe, expect, test } from "vitest";
import { createWorld, KEYS, outcome, post } from "../_fairlane/_test/fakes.ts";
import { assertSurvivesHostileBodies } from "../_fairlane/_test/hostile.ts";
import { createHandler } from "./handler.ts";

const REPLY = '{"by_health": {}}';

describe("createHandler()", () => {
  test("asks for the window it is given", async () => {
    const { deps, rpcCalls } = createWorld(REPLY);
    const response = await createHandler(deps)(post({ window_minutes: 2.5 }));
    expect(await response.text()).toBe(REPLY);
    expect(rpcCalls).toMatchObject([{
      name: "worker_health",
      args: { p_caller: { kind: "service" }, p_window_minutes: 2.5 },
    }]);
  });

  test("leaves the window to the database when none is given", async () => {
    const { deps, rpcCalls } = createWorld(REPLY);
    await createHandler(deps)(post({ window_minutes: null }));
    expect(rpcCalls[0]?.args["p_window_minutes"]).toBeUndefined();
  });

  test.each([0, -1, 1441, "30", true])(
    "answers 400 to a window of %j",
    async (window_minutes) => {
      const { deps, rpcCalls } = createWorld(REPLY);
      expect(await outcome(createHandler(deps), post({ window_minutes })))
        .toBe("400 INVALID_BODY");
      expect(rpcCalls).toEqual([]);
    },
  );

  test("is for the service only", async () => {
    const { deps } = createWorld(REPLY);
    const request = post({}, { authorization: `Bearer ${KEYS.token}` });
    expect(await outcome(createHandler(deps), request)).toBe("403 FORBIDDEN");
  });

  test("survives hostile bodies", async () => {
    await assertSurvivesHostileBodies(createHandler, {}, REPLY);
  });
});
