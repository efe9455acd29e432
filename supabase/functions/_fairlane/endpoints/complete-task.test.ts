import { describe, expect, test } from "vitest";
import { createFileWorld, target } from "../_test/fake-storage.ts";
import { outcome, post, TASK_ID } from "../_test/fakes.ts";
import { assertSurvivesHostileBodies } from "../_test/hostile.ts";
import { assertTakesEveryReport } from "../_test/reports.ts";
import type { EndpointDeps } from "../frame/endpoint.ts";
import { RawJson } from "../json/raw-json.ts";
import { completeTask } from "./complete-task.ts";

const REPLY = `{"task_id":"${TASK_ID}","status":"Complete","public_url":null}`;
const LEASE = "00000000-0000-0000-0000-0000000000b1";

function createWorld(reply: string) {
  return createFileWorld({
    rpc: { complete_task: () => reply, upload_target: () => target() },
  });
}

async function argsOf(body: unknown) {
  const { deps, rpcCalls } = createWorld(REPLY);
  expect(await outcome(completeTask(deps), post(body))).toBe("200");
  return rpcCalls[0]?.args ?? {};
}

describe("complete-task", () => {
  test("passes the stored result on as it is, with exactly 200", async () => {
    const { deps } = createWorld(REPLY);
    const response = await completeTask(deps)(post({ task_id: TASK_ID }));
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(REPLY);
  });

  test("completes with nothing but the id", async () => {
    expect(await argsOf({ task_id: TASK_ID })).toEqual({
      p_caller: { kind: "service" },
      p_task_id: TASK_ID,
    });
  });

  test.each([
    ["https://cdn.example/a.mp4", "https://cdn.example/a.mp4"],
    ["/tmp/gone.mp4", "/tmp/gone.mp4"],
    ["Completed via idempotency", "Completed via idempotency"],
    ["a\0b", "a\uFFFDb"],
    ["", undefined],
    [null, undefined],
    [7, "7"],
    [{ url: "x" }, '{"url":"x"}'],
  ])("takes the output %j", async (output_location, stored) => {
    expect(await argsOf({ task_id: TASK_ID, output_location }))
      .toMatchObject({ p_output_location: stored });
  });

  test("hands the lease and the thumbnail on, and nothing else", async () => {
    const args = await argsOf({
      task_id: `{${TASK_ID.toUpperCase()}}`,
      lease_token: LEASE.toUpperCase(),
      thumbnail_url: "https://cdn.example/t.jpg",
      status: "Failed",
      user_id: "x",
      attempts: 0,
    });
    expect(args).toEqual({
      p_caller: { kind: "service" },
      p_task_id: TASK_ID,
      p_lease_token: LEASE,
      p_thumbnail_url: "https://cdn.example/t.jpg",
    });
  });

  test("keeps the client's own spelling of result_data", async () => {
    const json = '{"seed": 9007199254740993, "a": 1.0, "__proto__": {"b": 1}}';
    const args = await argsOf(`{"task_id":"${TASK_ID}","result_data":${json}}`);
    expect(args["p_result_data"]).toEqual(new RawJson(json));
  });

  test.each([
    {},
    { task_id: null },
    { task_id: "unknown_task_1767225600" },
    { task_id: TASK_ID, storage_path: "../secret" },
    { task_id: TASK_ID, storage_path: { path: "a/../b" } },
  ])("answers 400 to %j", async (body) => {
    const { deps, rpcCalls } = createWorld(REPLY);
    expect(await outcome(completeTask(deps), post(body)))
      .toBe("400 INVALID_BODY");
    expect(rpcCalls).toEqual([]);
  });

  test("takes whatever a worker says beside its result", async () => {
    const optional = [
      "thumbnail_url",
      "result_data",
      "lease_token",
      "thumbnail_storage_path",
      "filename",
      "first_frame_data",
      "first_frame_filename",
    ];
    const tolerant = (deps: EndpointDeps) =>
      completeTask({
        ...deps,
        files: createFileWorld().deps.files,
        paths: createFileWorld().deps.paths,
        rpc: (name, args, requestId) =>
          name === "upload_target"
            ? Promise.resolve(target())
            : deps.rpc(name, args, requestId),
      });
    const fields = {
      needed: { task_id: TASK_ID },
      optional,
      words: ["output_location"],
    };
    await assertTakesEveryReport(tolerant, fields, REPLY);
  }, 300_000);

  test("survives hostile bodies", async () => {
    const valid = {
      task_id: TASK_ID,
      output_location: "x",
      thumbnail_url: "x",
      storage_path: "a/b",
      thumbnail_storage_path: "a/t",
      file_data: "aGk=",
      filename: "a.mp4",
      first_frame_data: "aGk=",
      result_data: {},
      lease_token: null,
    };
    const { files, paths } = createFileWorld().deps;
    const tolerant = (deps: EndpointDeps) =>
      completeTask({
        ...deps,
        files,
        paths,
        rpc: (name, args, requestId) =>
          name === "upload_target"
            ? Promise.resolve(target())
            : deps.rpc(name, args, requestId),
      });
    await assertSurvivesHostileBodies(tolerant, valid, REPLY);
  }, 300_000);
});
