import { describe, expect, test } from "vitest";
import { createWorld, KEYS, outcome, post } from "../_test/fakes.ts";
import { assertSurvivesHostileBodies } from "../_test/hostile.ts";
import { taskCounts } from "./task-counts.ts";

const REPLY = '{"run_type": "gpu", "totals": {"queued_only": 0}}';

describe("task-counts", () => {
  test("passes the snapshot on as it is, as JSON", async () => {
    const { deps } = createWorld(REPLY);
    const response = await taskCounts(deps)(post({ run_type: "gpu" }));
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
    expect(await outcome(taskCounts(deps), post(body))).toBe("200");
    expect(rpcCalls[0]).toMatchObject({ name: "task_counts" });
    expect(rpcCalls[0]?.args).toEqual({
      p_caller: { kind: "service" },
      p_run_type: pool,
      p_include_active: includeActive,
      p_include_lists: undefined,
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
      expect(await outcome(taskCounts(deps), post(sent))).toBe("200");
      expect(rpcCalls[0]?.args["p_unused"]).toEqual(unused);
    },
  );

  test.each(["", "[]", "null", '"x"', "{", { run_type: "GPU" }])(
    "answers 400 to %j instead of counting with defaults",
    async (body) => {
      const { deps, rpcCalls } = createWorld(REPLY);
      expect(await outcome(taskCounts(deps), post(body)))
        .toBe("400 INVALID_BODY");
      expect(rpcCalls).toEqual([]);
    },
  );

  test("answers 500 rather than a reply that is no object", async () => {
    const { deps } = createWorld("null");
    expect(await outcome(taskCounts(deps), post({}))).toBe("500 INTERNAL");
  });

  test("survives hostile bodies", async () => {
    await assertSurvivesHostileBodies(
      taskCounts,
      { run_type: "gpu", include_active: true },
      REPLY,
    );
  });

  test("leaves out the lists when told to", async () => {
    const { deps, rpcCalls } = createWorld(REPLY);
    await taskCounts(deps)(post({ include_lists: false }));
    expect(rpcCalls[0]?.args).toMatchObject({ p_include_lists: false });
  });

  test("reads the query of a GET as it reads a body", async () => {
    const { deps, rpcCalls } = createWorld(REPLY);
    const get = (query: string) =>
      new Request(`http://functions.test/task-counts?${query}`, {
        headers: { authorization: `Bearer ${KEYS.secret}` },
      });
    const handler = taskCounts(deps);
    const query = "run_type=gpu&include_active=false";
    expect(await outcome(handler, get(query))).toBe("200");
    expect(rpcCalls[0]?.args).toMatchObject({
      p_run_type: "gpu",
      p_include_active: false,
    });
    expect(await outcome(handler, get("run_type=tpu")))
      .toBe("400 INVALID_BODY");
  });

  describe("asked again within the second", () => {
    const legacy = { authorization: `Bearer ${KEYS.legacyService}` };
    const fresh = {
      authorization: `Bearer ${KEYS.secret}`,
      "cache-control": "no-cache",
    };
    test.each<[string, Request, number]>([
      ["by the same key shares the answer", post({}), 1],
      ["for another pool does not", post({ run_type: "gpu" }), 2],
      ["by another key does not", post({}, legacy), 2],
      ["with no-cache does not", post({}, fresh), 2],
    ])("%s", async (_, second, calls) => {
      const { deps, rpcCalls } = createWorld(REPLY);
      const handler = taskCounts(deps);
      await handler(post({}));
      expect(await (await handler(second)).text()).toBe(REPLY);
      expect(rpcCalls).toHaveLength(calls);
    });

    test("by a token does not, whose own tasks change at once", async () => {
      const { deps, rpcCalls } = createWorld(REPLY);
      const token = { authorization: `Bearer ${KEYS.token}` };
      const handler = taskCounts(deps);
      for (let n = 0; n < 2; n++) await handler(post({}, token));
      expect(rpcCalls).toHaveLength(2);
    });
  });
});
