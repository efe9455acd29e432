import { describe, expect, test } from "vitest";
import { createWorld, KEYS, outcome, post } from "../_fairlane/_test/fakes.ts";
import { assertSurvivesHostileBodies } from "../_fairlane/_test/hostile.ts";
import { createHandler } from "./handler.ts";

const PROJECT = "0f8fad5b-d9cb-469f-a165-70867728950f";
const REPLY = '[{"segment_index": 0, "output_location": "a.mp4"}]';

describe("createHandler()", () => {
  test.each([
    [{ run_id: "20260111120000" }, undefined],
    [{ run_id: "20260111120000", project_id: null }, undefined],
    [{ run_id: "20260111120000", project_id: PROJECT.toUpperCase() }, PROJECT],
  ])("reads the deployed body %j", async (body, projectId) => {
    const { deps, rpcCalls } = createWorld(REPLY);
    const response = await createHandler(deps)(post(body));
    expect(await response.text()).toBe(REPLY);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(rpcCalls[0]?.name).toBe("get_completed_segments");
    expect(rpcCalls[0]?.args).toEqual({
      p_caller: { kind: "service" },
      p_run_id: "20260111120000",
      p_project_id: projectId,
    });
  });

  test("asks for tokens, too", async () => {
    const { deps, rpcCalls } = createWorld("[]");
    await createHandler(deps)(
      post({ run_id: "r" }, { authorization: `Bearer ${KEYS.token}` }),
    );
    expect(rpcCalls[0]?.args["p_caller"]).toMatchObject({ kind: "token" });
  });

  test.each([
    {},
    { run_id: "" },
    { run_id: 20260111 },
    { run_id: "x".repeat(1001) },
    { run_id: "r", project_id: "default_project_id" },
  ])("answers 400 to %j", async (body) => {
    const { deps, rpcCalls } = createWorld(REPLY);
    expect(await outcome(createHandler(deps), post(body)))
      .toBe("400 INVALID_BODY");
    expect(rpcCalls).toEqual([]);
  });

  test.each(["null", "{}"])("answers 500 rather than %s", async (reply) => {
    const { deps } = createWorld(reply);
    expect(await outcome(createHandler(deps), post({ run_id: "r" })))
      .toBe("500 INTERNAL");
  });

  test("survives hostile bodies", async () => {
    await assertSurvivesHostileBodies(
      createHandler,
      { run_id: "20260111120000", project_id: PROJECT },
      REPLY,
    );
  });
});
