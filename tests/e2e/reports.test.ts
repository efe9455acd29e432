import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import {
  anyReport,
  SAID,
} from "../../supabase/functions/_fairlane/_test/reports.ts";
import { admin } from "../support/db.ts";
import { pathOf } from "../support/profile.ts";
import { callFunction } from "../support/http.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner({ maxInProgress: 10_000 });
});

async function startedTask(): Promise<string> {
  const id = await createTask(owner);
  await startTask(id);
  return id;
}

const WORDS = ["output_location", "error_message", "error_details"];

describe("a report", () => {
  it("of a loss that is no number fails the task, and says so", async () => {
    const task_id = await startedTask();
    const reply = await report(
      "update-task-status",
      `{"task_id": "${task_id}", "status": "Failed", ` +
        '"error_details": {"loss": NaN, "grad": -Infinity}}',
    );
    expect(reply.status, reply.text).toBe(200);
    expect(await readTask(task_id)).toMatchObject({
      status: "Failed",
      error_message: '{"loss":"NaN","grad":"-Infinity"}',
    });
  });

  it.each([
    ['{"loss": NaN, "seed": 9007199254740993}', {
      loss: "NaN",
      seed: "9007199254740993",
    }],
    ['["a", Infinity]', { result_data: ["a", "Infinity"] }],
    ['"done"', { result_data: "done" }],
    ['{"huge": 1e99999}', { huge: "1e99999" }],
  ])("completes the task with the data %s", async (source, stored) => {
    const task_id = await startedTask();
    const reply = await report(
      "complete-task",
      `{"task_id": "${task_id}", "output_location": "x", "result_data": ${source}}`,
    );
    expect(reply.status, reply.text).toBe(200);
    const [row] = await admin()<{ data: string }[]>`
      select result_data::text as data from public.tasks where id = ${task_id}
    `;
    const read = JSON.parse(
      row?.data.replace("9007199254740993", '"9007199254740993"') ?? "",
    );
    expect(read).toEqual(stored);
  });

  it.each([
    ["mark-task-failed", {}, "Queued", [...WORDS, "retryable", "lease_token"]],
    ["update-task-status", { status: "Failed" }, "Failed", [
      ...WORDS,
      "thumbnail_url",
      "result_data",
      "reset_generation_started_at",
      "lease_token",
    ]],
    ["complete-task", {}, "Complete", [
      "thumbnail_url",
      "result_data",
      "lease_token",
      "first_frame_data",
      "first_frame_filename",
    ]],
  ])(
    "to %s is taken whatever it says",
    async (name, extra, status, optional) => {
      const words = name === "complete-task"
        ? ["output_location"]
        : ["error_message"];
      const sample = fc.sample(
        anyReport({
          needed: { task_id: "#".repeat(36), ...extra },
          optional: optional.filter((field) =>
            field !== "retryable" && !words.includes(field)
          ),
          words,
        }),
        { numRuns: 60, seed: 20_261_130 },
      );
      for (const bytes of sample) {
        const task_id = await startedTask();
        new TextEncoder().encodeInto(
          task_id,
          bytes.subarray(bytes.indexOf("#".charCodeAt(0))),
        );
        const reply = await report(name, bytes);
        expect(reply.status, reply.text).toBe(200);
        const task = await readTask(task_id);
        expect(task["status"]).toBe(status);
        expect(`${task["error_message"]}${task["output_location"]}`)
          .toContain(SAID);
      }
    },
    120_000,
  );
});

async function report(name: string, body: string | Uint8Array<ArrayBuffer>) {
  const key = stack().serviceRoleKey;
  if (typeof body === "string") return await callFunction(name, body, { key });
  const response = await fetch(`${stack().functionsUrl}${pathOf(name)}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
    },
    body,
  });
  return { status: response.status, text: await response.text() };
}
