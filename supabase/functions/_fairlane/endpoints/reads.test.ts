import { expect, test } from "vitest";
import { VERSION } from "../../../../shared/version.ts";
import { createWorld, post, TASK_ID } from "../_test/fakes.ts";
import { type OneCallRow, testOneCall } from "../_test/one-call.ts";
import { ONE_CALL } from "./one-call.ts";

const PROJECT = "0f8fad5b-d9cb-469f-a165-70867728950f";
/** The same id as some library writes it. */
const ODD_ID = `{${TASK_ID.toUpperCase()}}`;
const RUN = { run_id: "20260111120000" };

/** A read of one task that it names by `field`; it may say `more`. */
function readOf(
  name: OneCallRow["name"],
  rpc: string,
  reply: string,
  field = "task_id",
  more: object = {},
): OneCallRow {
  const asArguments = Object.entries(more)
    .map(([key, value]) => [`p_${key}`, value]);
  return {
    name,
    calls: [[{ [field]: ODD_ID, extra: 1, ...more }, rpc, {
      [`p_${field}`]: TASK_ID,
      ...Object.fromEntries(asArguments),
    }]],
    refused: [
      {},
      ...[null, "unknown_task_1", 7].map((id) => ({ [field]: id })),
    ],
    reply,
    logged: { task_id: TASK_ID },
    valid: { [field]: TASK_ID },
  };
}

function segmentsOf(more: object, args: object): OneCallRow["calls"][number] {
  return [
    { ...RUN, ...more },
    "get_completed_segments",
    { p_run_id: RUN.run_id, ...args },
  ];
}

const READS: readonly OneCallRow[] = [
  readOf(
    "get-task-status",
    "get_task_status",
    '{"status": "Complete"}',
  ),
  readOf(
    "get-task-output",
    "get_task_output",
    '{"params": {"seed": 9007199254740993}}',
  ),
  {
    ...readOf(
      "get-predecessor-output",
      "get_predecessor_output",
      '{"predecessor_id": "p", "output_location": null}',
      "task_id",
      { parent_generation_id: PROJECT, child_order: 0 },
    ),
    // Null is an answer here.
    wrongReplies: ["[]"],
  },
  readOf(
    "get-orchestrator-children",
    "get_orchestrator_children",
    '{"tasks": [], "is_cut": false}',
    "orchestrator_task_id",
    { after: "somewhere" },
  ),
  {
    name: "get-completed-segments",
    calls: [
      segmentsOf({}, {}),
      segmentsOf({ project_id: null }, {}),
      segmentsOf({ project_id: PROJECT.toUpperCase() }, {
        p_project_id: PROJECT,
      }),
      segmentsOf({ after_index: 80 }, { p_after_index: 80 }),
    ],
    refused: [
      {},
      { run_id: "" },
      { run_id: 20260111 },
      { run_id: "x".repeat(1001) },
      { run_id: "r", project_id: "default_project_id" },
    ],
    reply: '[{"segment_index": 0, "output_location": "a.mp4"}]',
    wrongReplies: ["null", "{}"],
    valid: { ...RUN, project_id: PROJECT },
  },
  {
    name: "explain",
    calls: [
      [{ task_id: TASK_ID.toUpperCase() }, "explain_task", {
        p_task_id: TASK_ID,
      }],
      [{ worker_id: "gpu-1", run_type: "api" }, "explain_worker", {
        p_worker_id: "gpu-1",
        p_run_type: "api",
      }],
    ],
    refused: [
      {},
      { task_id: TASK_ID, worker_id: "gpu-1" },
      { task_id: "unknown_task_1" },
      { worker_id: "" },
    ],
    reply: '{"reason": "user_at_limit"}',
    valid: { task_id: TASK_ID },
  },
  {
    name: "health",
    calls: [[{}, "health", {}]],
    refused: [],
    reply: `{"version": "${VERSION}", "status": "ok"}`,
    valid: {},
  },
  {
    name: "worker-health",
    calls: [
      [{ window_minutes: 2.5 }, "worker_health", { p_window_minutes: 2.5 }],
      [{ window_minutes: null }, "worker_health", {}],
    ],
    refused: [0, -1, 1441, "30", true].map((window_minutes) => ({
      window_minutes,
    })),
    reply: '{"by_health": {}}',
    valid: {},
  },
];

for (const row of READS) testOneCall(row);

test("get-predecessor-output answers null for a task that waits for none", async () => {
  const { deps } = createWorld("null");
  const handler = ONE_CALL["get-predecessor-output"](deps);
  const response = await handler(post({ task_id: TASK_ID }));
  expect(response.status).toBe(200);
  expect(await response.text()).toBe("null");
  expect(response.headers.get("content-type")).toBe("application/json");
});
