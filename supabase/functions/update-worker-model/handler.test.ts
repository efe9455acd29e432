import { describe, expect, test } from "vitest";
import {
  createWorld,
  KEYS,
  outcome,
  post,
  signUserToken,
} from "../_fairlane/_test/fakes.ts";
import { assertSurvivesHostileBodies } from "../_fairlane/_test/hostile.ts";
import { createHandler } from "./handler.ts";

const REPLY = '{"worker_id": "gpu-1", "current_model": "wan"}';

describe("createHandler()", () => {
  test.each([
    { worker_id: "gpu-1", model: "wan" },
    { worker_id: "gpu-1", current_model: "wan" },
    { worker_id: "gpu-1", model: null, current_model: "wan" },
    { worker_id: "gpu-1", model: "older", current_model: "wan" },
  ])("reads the body %j of either generation", async (body) => {
    const { deps, rpcCalls } = createWorld(REPLY);
    const response = await createHandler(deps)(post(body));
    expect(await response.text()).toBe(REPLY);
    expect(rpcCalls[0]?.name).toBe("update_worker_model");
    expect(rpcCalls[0]?.args).toEqual({
      p_caller: { kind: "service" },
      p_worker_id: "gpu-1",
      p_model: "wan",
    });
  });

  test("answers the service only", async () => {
    const { deps, rpcCalls } = createWorld(REPLY);
    for (const key of [KEYS.token, await signUserToken()]) {
      const request = post({ worker_id: "gpu-1", model: "wan" }, {
        authorization: `Bearer ${key}`,
      });
      expect(await outcome(createHandler(deps), request)).toBe("403 FORBIDDEN");
    }
    expect(rpcCalls).toEqual([]);
  });

  test.each([
    {},
    { worker_id: "gpu-1" },
    { model: "wan" },
    { worker_id: "gpu-1", model: "" },
    { worker_id: "gpu-1", model: 3 },
    { worker_id: "", model: "wan" },
  ])("answers 400 to %j", async (body) => {
    const { deps, rpcCalls } = createWorld(REPLY);
    expect(await outcome(createHandler(deps), post(body)))
      .toBe("400 INVALID_BODY");
    expect(rpcCalls).toEqual([]);
  });

  test("names the field that is missing", async () => {
    const { deps } = createWorld(REPLY);
    const response = await createHandler(deps)(post({ worker_id: "gpu-1" }));
    expect(await response.json()).toMatchObject({
      message: 'Body field "model" must be a string of 1 to 200 characters',
    });
  });

  test("survives hostile bodies", async () => {
    await assertSurvivesHostileBodies(
      createHandler,
      { worker_id: "gpu-1", model: "wan", current_model: "wan" },
      REPLY,
    );
  });
});
