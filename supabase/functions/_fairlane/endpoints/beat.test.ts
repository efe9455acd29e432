import { describe, expect, test } from "vitest";
import { createWorld, KEYS, outcome, post, TASK_ID } from "../_test/fakes.ts";
import { assertSurvivesHostileBodies } from "../_test/hostile.ts";
import { jsonText } from "../json/raw-json.ts";
import { beat } from "./beat.ts";

const REPLY = '{"success": true}';
const TOKEN = { authorization: `Bearer ${KEYS.token}` };

describe("beat", () => {
  test.each([
    [{ worker_id: "w" }, undefined],
    [{ worker_id: "w", task_id: TASK_ID }, [TASK_ID]],
    [{ worker_id: "w", task_id: "unknown_task_1768132800" }, undefined],
    [{ worker_id: "w", task_ids: [TASK_ID.toUpperCase(), 3] }, [TASK_ID]],
    [{ worker_id: "w", task_id: TASK_ID, task_ids: [] }, []],
  ])("reads from %j which tasks run", async (body, p_task_ids) => {
    const { deps, rpcCalls } = createWorld(REPLY);
    const response = await beat(deps)(post(body, TOKEN));
    expect(await response.text()).toBe(REPLY);
    expect(rpcCalls[0]).toMatchObject({
      name: "beat",
      args: { p_worker_id: "w", p_caller: { kind: "token" } },
    });
    expect(rpcCalls[0]?.args["p_task_ids"]).toEqual(p_task_ids);
  });

  test("loses no beat to what a log line holds", async () => {
    const { deps, rpcCalls } = createWorld(REPLY);
    const body =
      '{"worker_id": "w", "vram_total_mb": NaN, "logs": [{"message": "\\ud83d \\u0000"}]}';
    expect((await beat(deps)(post(body, TOKEN))).status).toBe(200);
    expect(JSON.parse(jsonText(rpcCalls[0]?.args ?? {})))
      .toMatchObject({ p_logs: [{ message: "\uFFFD \uFFFD" }] });
  });

  test.each([{}, { worker_id: "" }, { worker_id: "w", status: "error" }])(
    "answers 400 to %j",
    async (body) => {
      const { deps } = createWorld(REPLY);
      expect(await outcome(beat(deps), post(body)))
        .toBe("400 INVALID_BODY");
    },
  );

  test("survives hostile bodies", async () => {
    await assertSurvivesHostileBodies(
      beat,
      { worker_id: "w", status: "active", task_id: TASK_ID },
      REPLY,
    );
  });
});
