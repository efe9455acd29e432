import { describe, expect, test } from "vitest";
import { createWorld, outcome, post } from "../_test/fakes.ts";
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
});
