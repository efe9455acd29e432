import { describe, expect, test } from "vitest";
import { TASK_STATUSES } from "../../../../shared/task-status.ts";
import { createFileWorld, FOLDER } from "../_test/fake-storage.ts";
import { createWorld, KEYS, outcome, post, TASK_ID } from "../_test/fakes.ts";
import { assertSurvivesHostileBodies } from "../_test/hostile.ts";
import { assertTakesEveryReport } from "../_test/reports.ts";
import { ApiError } from "../frame/api-error.ts";
import { updateTaskStatus } from "./update-task-status.ts";

const WORDS = ["output_location", "error_message", "error_details"];
const REPLY = `{"task_id":"${TASK_ID}","status":"Failed"}`;

async function argsOf(body: unknown) {
  const { deps, rpcCalls } = createWorld(REPLY);
  expect(await outcome(updateTaskStatus(deps), post(body))).toBe("200");
  return rpcCalls[0]?.args ?? {};
}

describe("update-task-status", () => {
  test.each([
    { status: "Failed", output_location: "CUDA out of memory" },
    { status: "Failed" },
    { status: "In Progress", output_location: "Successfully enqueued 3" },
    { status: "In Progress", reset_generation_started_at: true },
    { status: "Complete" },
    { status: "Failed", error_details: "trace", error_message: "short" },
  ])("hands the deployed body %j on", async (body) => {
    const args = await argsOf({
      task_id: TASK_ID,
      ...body,
      attempts: 2,
      clear_worker: true,
    });
    const named = Object.entries(body).map((
      [key, value],
    ) => [`p_${key}`, value]);
    expect(args).toEqual({
      p_caller: { kind: "service" },
      p_task_id: TASK_ID,
      p_attempts: 2,
      ...Object.fromEntries(named),
    });
  });

  test.each([
    [0, 0],
    [2, 2],
    ["2", 2],
    [null, undefined],
    ["", undefined],
    [-1, undefined],
    [1.5, undefined],
    [2 ** 31, undefined],
    ["two", undefined],
    [[1], undefined],
  ])("reads the attempts %j as %j", async (attempts, p_attempts) => {
    const body = { task_id: TASK_ID, status: "Queued", error_details: "x" };
    expect((await argsOf({ ...body, attempts }))["p_attempts"])
      .toBe(p_attempts);
  });

  test.each(TASK_STATUSES)("knows the status %s", async (status) => {
    expect(await argsOf({ task_id: TASK_ID, status }))
      .toMatchObject({ p_status: status });
  });

  test("takes no empty file of the task for a result, named by its URL", async () => {
    const url = "http://api.test/storage/v1/object/public/image_uploads";
    const complete = (file: string) => {
      const { deps } = createFileWorld({
        storage: () => Response.json({ id: "1", size: 0 }),
      });
      return outcome(
        updateTaskStatus(deps),
        post({ task_id: TASK_ID, status: "Complete", output_location: file }),
      );
    };
    expect(await complete(`${url}/${FOLDER}/out.mp4`)).toBe("409 FILE_EMPTY");
    expect(await complete(`${url}/else/out.mp4`)).toBe("200");
    expect(await complete("https://files.test/out.mp4")).toBe("200");
  });

  test.each([
    ["failed", "Failed"],
    ["COMPLETE", "Complete"],
    ["in progress", "In Progress"],
    ["in_progress", "In Progress"],
    ["InProgress", "In Progress"],
    [" Cancelled ", "Cancelled"],
  ])("reads the status %j as %j", async (status, p_status) => {
    expect(await argsOf({ task_id: TASK_ID, status }))
      .toMatchObject({ p_status });
  });

  test.each(["", "_", null, 3, "Done", "failed!", ["Failed"]])(
    "answers 400 to the status %j",
    async (status) => {
      const { deps, rpcCalls } = createWorld(REPLY);
      const body = { task_id: TASK_ID, status };
      expect(await outcome(updateTaskStatus(deps), post(body)))
        .toBe("400 INVALID_BODY");
      expect(rpcCalls).toEqual([]);
    },
  );

  test.each(["unknown_task_1767225600", "", 12, null, TASK_ID.repeat(300)])(
    "answers 400 to the task id %j, as deployed workers send",
    async (task_id) => {
      const { deps } = createWorld(REPLY);
      const body = { task_id, status: "In Progress" };
      expect(await outcome(updateTaskStatus(deps), post(body)))
        .toBe("400 INVALID_BODY");
    },
  );

  test("records a failure whose text holds NUL and half an emoji", async () => {
    const body = `{"task_id":"${TASK_ID}","status":"Failed",` +
      `"output_location":"a\\u0000b\\ud83d"}`;
    expect(await argsOf(body))
      .toMatchObject({ p_output_location: "a\uFFFDb\uFFFD" });
  });

  test("records a failure whose text is not UTF-8", async () => {
    const { deps, rpcCalls } = createWorld(REPLY);
    const [head = "", tail = ""] = JSON.stringify({
      task_id: TASK_ID,
      status: "Failed",
      output_location: "#",
    }).split("#");
    const body = new Blob([head, new Uint8Array([0xe9, 0xff]), tail]);
    const request = new Request("http://functions.test/any", {
      method: "POST",
      headers: { apikey: KEYS.secret },
      body,
    });
    expect(await outcome(updateTaskStatus(deps), request)).toBe("200");
    expect(rpcCalls[0]?.args)
      .toMatchObject({ p_output_location: "\uFFFD\uFFFD" });
  });

  test("records a failure of megabytes whole", async () => {
    const text = "😀".repeat(1 << 18);
    expect(
      await argsOf({
        task_id: TASK_ID,
        status: "Failed",
        error_message: text,
        error_details: text.repeat(10),
      }),
    ).toMatchObject({
      p_error_message: text,
      p_error_details: text.repeat(10),
    });
  });

  test("passes on a refused transition", async () => {
    const { deps } = createWorld(
      new ApiError("ILLEGAL_TRANSITION", "Task is Complete, asked for Queued"),
    );
    const body = { task_id: TASK_ID, status: "Queued" };
    expect(await outcome(updateTaskStatus(deps), post(body)))
      .toBe("409 ILLEGAL_TRANSITION");
  });

  test.each([
    ["a failure", { status: "Failed" }, WORDS],
    ["progress", { status: "In Progress" }, ["output_location"]],
  ])("takes whatever a worker says with %s", async (_what, fields, words) => {
    const optional = [
      ...WORDS,
      "thumbnail_url",
      "result_data",
      "reset_generation_started_at",
      "attempts",
      "lease_token",
    ];
    const report = { needed: { task_id: TASK_ID, ...fields }, optional, words };
    await assertTakesEveryReport(updateTaskStatus, report, REPLY);
  }, 300_000);

  test("survives hostile bodies", async () => {
    const valid = {
      task_id: TASK_ID,
      status: "Failed",
      output_location: "x",
      error_message: "x",
      error_details: "x",
      thumbnail_url: "x",
      result_data: {},
      reset_generation_started_at: false,
      attempts: 1,
      lease_token: null,
    };
    await assertSurvivesHostileBodies(updateTaskStatus, valid, REPLY);
  });
});
