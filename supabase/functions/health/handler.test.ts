import { describe, expect, test } from "vitest";
import { createWorld, KEYS, outcome, post } from "../_fairlane/_test/fakes.ts";
import { assertSurvivesHostileBodies } from "../_fairlane/_test/hostile.ts";
import { createHandler } from "./handler.ts";

const REPLY = '{"status": "ok"}';

describe("createHandler()", () => {
  test("passes on what the database says", async () => {
    const { deps, rpcCalls } = createWorld(REPLY);
    const response = await createHandler(deps)(post({}));
    expect(await response.text()).toBe(REPLY);
    expect(rpcCalls).toMatchObject([{
      name: "health",
      args: { p_caller: { kind: "service" } },
    }]);
  });

  test("is for the service only", async () => {
    const { deps } = createWorld(REPLY);
    const request = post({}, { authorization: `Bearer ${KEYS.token}` });
    expect(await outcome(createHandler(deps), request)).toBe("403 FORBIDDEN");
  });

  test("survives hostile bodies", async () => {
    await assertSurvivesHostileBodies(createHandler, {}, REPLY);
  });
});
