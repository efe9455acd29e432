import { beforeEach, describe, expect, it } from "vitest";
import { UpdateStatusReply } from "../../shared/update-status.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { callFunction } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

const MiB = 1024 * 1024;

let owner: Owner;
let task_id: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  task_id = await createTask(owner);
  await startTask(task_id);
});

describe("update-task-status Failed", () => {
  it("keeps the text where deployed workers put it and where it belongs", async () => {
    const text = "Failed to create guide/mask videos: returned None";
    const reply = await update({ status: "Failed", output_location: text });
    expect(expectOk(reply, UpdateStatusReply)).toMatchObject({
      task_id,
      status: "Failed",
      changed: true,
    });
    expect(await readTask(task_id)).toMatchObject({
      status: "Failed",
      error_message: text,
      output_location: text,
    });
  });

  it.each([
    ["error_message", { error_message: "the message" }, "the message"],
    ["error_details", { error_details: "the details" }, "the details"],
    ["an object", { output_location: { code: 7 } }, '{"code":7}'],
  ])("finds it in %s too", async (_field, fields, text) => {
    expect((await update({ status: "Failed", ...fields })).status).toBe(200);
    expect((await readTask(task_id))["error_message"]).toBe(text);
  });

  it.each([{}, { output_location: "" }, { error_message: null }])(
    "gives a reason where there is none: %j",
    async (fields) => {
      expect((await update({ status: "Failed", ...fields })).status).toBe(200);
      expect((await readTask(task_id))["error_message"]).toMatch(/\S/);
    },
  );

  it.each([
    ["NUL", '"CUDA \\u0000 error"', "CUDA \uFFFD error"],
    ["lone surrogates", '"a \\ud83d b \\ude00"', "a \uFFFD b \uFFFD"],
    ["a pair", '"a \\ud83d\\ude00 b"', "a 😀 b"],
    ["line breaks and escapes", '"a\\r\\n\\u001b[31m"', "a\r\n\u001b[31m"],
  ])("records a text with %s", async (_what, json, text) => {
    const body =
      `{"task_id": "${task_id}", "status": "Failed", "output_location": ${json}}`;
    expect((await send(body)).status).toBe(200);
    expect(await readTask(task_id)).toMatchObject({
      status: "Failed",
      error_message: text,
      output_location: text,
    });
  });

  it("records 1 MB of emoji: cut on the task, both ends in its history", async () => {
    const text = "😀".repeat(MiB / 4);
    expect((await update({ status: "Failed", output_location: text })).status)
      .toBe(200);
    const task = await readTask(task_id);
    expect(task["status"]).toBe("Failed");
    expect(task["error_message"]).toMatch(/^(😀){500}/u);
    expect(String(task["error_message"]).length).toBeLessThan(MiB / 4);
    const [event] = await admin()<{ text: string }[]>`
      select details ->> 'error_message' as text
      from public.task_events
      where task_id = ${task_id} and to_status = 'Failed'
    `;
    const cut = ` … [cut: ${MiB / 4} characters in all] … `;
    expect(
      event?.text ===
        `${"😀".repeat(65_536)}${cut}${"😀".repeat(16_384)}`,
    ).toBe(true);
  });

  it("records up to 16 MiB and refuses more with 413", async () => {
    const longest = "x".repeat(15 * MiB);
    expect(
      (await update({ status: "Failed", output_location: longest })).status,
    ).toBe(200);
    const longer = { status: "Failed", output_location: "x".repeat(16 * MiB) };
    expectError(await update(longer), "BODY_TOO_LARGE");
  });

  it("leaves a completed task as it is and answers 200", async () => {
    await admin()`update public.tasks set status = 'Complete' where id = ${task_id}`;
    const reply = await update({ status: "Failed", output_location: "late" });
    expect(expectOk(reply, UpdateStatusReply)).toMatchObject({
      status: "Complete",
      changed: false,
    });
    expect((await readTask(task_id))["error_message"]).toBeNull();
  });

  it("repeated by a retry changes nothing and answers 200", async () => {
    const body = { status: "Failed", output_location: "broken" };
    await update(body);
    const reply = expectOk(await update(body), UpdateStatusReply);
    expect(reply).toMatchObject({ status: "Failed", changed: false });
    const [count] = await admin()<{ failures: number }[]>`
      select count(*)::integer as failures
      from public.task_events
      where task_id = ${task_id}
        and from_status = 'In Progress' and to_status = 'Failed'
    `;
    expect(count?.failures).toBe(1);
    expect(await counterDrift()).toEqual([]);
  });
});

function update(fields: Record<string, unknown>) {
  return send({ task_id, ...fields });
}

function send(body: unknown, key = stack().serviceRoleKey) {
  return callFunction("update-task-status", body, { key });
}
