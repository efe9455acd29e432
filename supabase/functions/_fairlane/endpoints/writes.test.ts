import { expect, test } from "vitest";
import { createWorld, KEYS, outcome, post, TASK_ID } from "../_test/fakes.ts";
import { type OneCallRow, testOneCall } from "../_test/one-call.ts";
import { ApiError } from "../frame/api-error.ts";
import { ONE_CALL } from "./one-call.ts";

const SHOT = { shot_id: TASK_ID, task_id: "t1", enhanced_prompts: ["a", ""] };
const ROWS: readonly OneCallRow[] = [
  {
    name: "cancel-tasks",
    calls: [[
      {
        task_ids: [`{${TASK_ID.toUpperCase()}}`],
        status: "Queued",
        task_type: null,
        reason: "wrong model",
        limit: 10,
        extra: 1,
      },
      "cancel_tasks",
      {
        p_filter: { task_ids: [TASK_ID], status: "Queued" },
        p_limit: 10,
        p_reason: "wrong model",
      },
    ]],
    refused: [
      { task_ids: TASK_ID },
      { task_ids: Array.from({ length: 1001 }, () => TASK_ID) },
      { task_ids: ["unknown_task_1"] },
      { status: "Complete" },
      { created_before: "yesterday" },
      { created_before: "1999-12-31T00:00:00Z" },
      { status: "Queued", limit: 0 },
      { status: "Queued", limit: 1001 },
    ],
    reply: '{"cancelled": 1, "passed_over": 0, "has_more": false}',
    valid: {
      task_ids: [TASK_ID],
      task_type: "test",
      status: "Queued",
      limit: 5,
    },
  },
  {
    name: "update-worker-model",
    // Workers of two generations.
    calls: [
      { model: "wan" },
      { current_model: "wan" },
      { model: null, current_model: "wan" },
      { model: "older", current_model: "wan" },
    ].map((body) => [
      { worker_id: "gpu-1", ...body },
      "update_worker_model",
      { p_worker_id: "gpu-1", p_model: "wan" },
    ]),
    refused: [
      {},
      { worker_id: "gpu-1" },
      { model: "wan" },
      { worker_id: "gpu-1", model: "" },
      { worker_id: "gpu-1", model: 3 },
      { worker_id: "", model: "wan" },
    ],
    reply: '{"worker_id": "gpu-1", "current_model": "wan"}',
    logged: { worker_id: "gpu-1" },
    valid: { worker_id: "gpu-1", model: "wan", current_model: "wan" },
  },
  {
    name: "update-shot-pair-prompts",
    calls: [[SHOT, "update_shot_pair_prompts", {}]],
    refused: [
      {},
      { ...SHOT, shot_id: "7" },
      { ...SHOT, task_id: 7 },
      { ...SHOT, enhanced_prompts: "a" },
      { ...SHOT, enhanced_prompts: [null] },
    ],
    reply: "{}",
    logged: { shot_id: TASK_ID },
    valid: SHOT,
  },
];

for (const row of ROWS) testOneCall(row);

test("update-worker-model names the field that is missing", async () => {
  const { deps } = createWorld("{}");
  const handler = ONE_CALL["update-worker-model"](deps);
  const response = await handler(post({ worker_id: "gpu-1" }));
  expect(await response.json()).toMatchObject({
    message: 'Body field "model" must be a string of 1 to 200 characters',
  });
});

test("update-shot-pair-prompts lets the database refuse, which knows every caller", async () => {
  const refusal = new ApiError("NOT_SUPPORTED", "This queue keeps no shots");
  const { deps, rpcCalls } = createWorld(refusal);
  const request = post(SHOT, { authorization: `Bearer ${KEYS.token}` });
  expect(await outcome(ONE_CALL["update-shot-pair-prompts"](deps), request))
    .toBe("501 NOT_SUPPORTED");
  expect(rpcCalls[0]?.name).toBe("update_shot_pair_prompts");
  expect(rpcCalls[0]?.args).toEqual({
    p_caller: { kind: "token", hash: expect.any(String) },
  });
});
