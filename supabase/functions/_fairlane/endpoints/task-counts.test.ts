import { describe, expect, test } from "vitest";
import {
  createWorld,
  KEYS,
  outcome,
  post,
  signUserToken,
  USER_ID,
} from "../_test/fakes.ts";
import { assertSurvivesHostileBodies } from "../_test/hostile.ts";
import { createHandler } from "./task-counts.ts";

const REPLY = '{"run_type": "gpu", "totals": {"queued_only": 0}}';

describe("createHandler()", () => {
  test("passes the snapshot on as it is, as JSON", async () => {
    const { deps } = createWorld(REPLY);
    const response = await createHandler(deps)(post({ run_type: "gpu" }));
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.text()).toBe(REPLY);
  });

  test.each([
    [{}, undefined, undefined],
    [{ run_type: null, include_active: null }, undefined, undefined],
    [{ run_type: "gpu", include_active: true }, "gpu", true],
    [{ include_active: false, run_type: "api", extra: 1 }, "api", false],
  ])("reads the deployed body %j", async (body, pool, includeActive) => {
    const { deps, rpcCalls } = createWorld(REPLY);
    expect(await outcome(createHandler(deps), post(body))).toBe("200");
    expect(rpcCalls[0]).toMatchObject({ name: "task_counts" });
    expect(rpcCalls[0]?.args).toEqual({
      p_caller: { kind: "service" },
      p_run_type: pool,
      p_include_active: includeActive,
    });
  });

  test.each<[string, unknown, readonly string[] | undefined]>([
    ["as orchestrators since May send them", {
      worker_backend: "wgp",
      worker_profile: "1",
      worker_pool: "gpu-wgp-production",
      selector_namespace: "production",
      selector_version: null,
      worker_contract_version: 1,
      worker_run_id: null,
    }, [
      "worker_backend",
      "worker_profile",
      "worker_pool",
      "selector_namespace",
      "worker_contract_version",
    ]],
    ["all null", { worker_backend: null, worker_run_id: null }, undefined],
    ["of any type", {
      worker_pool: [{}],
      selector_version: 0,
      worker_run_id: "",
    }, [
      "worker_pool",
      "selector_version",
      "worker_run_id",
    ]],
  ])(
    "takes routing fields %s and says which it does not use",
    async (_, body, unused) => {
      const { deps, rpcCalls } = createWorld(REPLY);
      const sent = { run_type: "gpu", ...(body as object) };
      expect(await outcome(createHandler(deps), post(sent))).toBe("200");
      expect(rpcCalls[0]?.args["p_unused"]).toEqual(unused);
    },
  );

  test.each(["", "[]", "null", '"x"', "{", { run_type: "GPU" }])(
    "answers 400 to %j instead of counting with defaults",
    async (body) => {
      const { deps, rpcCalls } = createWorld(REPLY);
      expect(await outcome(createHandler(deps), post(body)))
        .toBe("400 INVALID_BODY");
      expect(rpcCalls).toEqual([]);
    },
  );

  test("counts for users and tokens, too", async () => {
    const { deps, rpcCalls } = createWorld(REPLY);
    const handler = createHandler(deps);
    const user = await signUserToken();
    await handler(post({}, { authorization: `Bearer ${user}` }));
    await handler(post({}, { authorization: `Bearer ${KEYS.token}` }));
    expect(rpcCalls.map(({ args }) => args["p_caller"])).toEqual([
      { kind: "user", user_id: USER_ID },
      { kind: "token", hash: expect.any(String) },
    ]);
  });

  test("answers 500 rather than a reply that is no object", async () => {
    const { deps } = createWorld("null");
    expect(await outcome(createHandler(deps), post({}))).toBe("500 INTERNAL");
  });

  test("survives hostile bodies", async () => {
    await assertSurvivesHostileBodies(
      createHandler,
      { run_type: "gpu", include_active: true },
      REPLY,
    );
  });
});
