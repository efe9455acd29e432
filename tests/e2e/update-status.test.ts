import { beforeEach, describe, expect, it } from "vitest";
import { UpdateStatusReply } from "../../shared/update-status.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { callFunction } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  createToken,
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

describe("update-task-status", () => {
  it("takes In Progress for a task in progress, again and again", async () => {
    const text = "[IDEMPOTENT] 3 parts are there already";
    for (
      const output_location of ["Successfully enqueued 3 parts", text, text]
    ) {
      const reply = await update({ status: "In Progress", output_location });
      expect(expectOk(reply, UpdateStatusReply).output_location).toBe(
        output_location,
      );
    }
    expect(await readTask(task_id)).toMatchObject({
      status: "In Progress",
      output_location: text,
      worker_id: "worker-of-a-test",
      attempts: 1,
    });
  });

  it("starts the billing anew when asked to", async () => {
    await admin()`
      update public.tasks set generation_started_at = '2026-01-01T00:00:00Z'
      where id = ${task_id}
    `;
    await update({ status: "In Progress" });
    const before = await readTask(task_id);
    expect(before["generation_started_at"]).toEqual(
      new Date("2026-01-01T00:00:00Z"),
    );
    await update({ status: "In Progress", reset_generation_started_at: true });
    const after = await readTask(task_id);
    expect(Number(after["generation_started_at"])).toBeGreaterThan(
      Date.now() - 60_000,
    );
  });

  it("completes with its generation, like complete-task", async () => {
    const reply = await update({ status: "Complete" });
    expect(expectOk(reply, UpdateStatusReply).status).toBe("Complete");
    const generations = await admin()`
      select from public.generations where task_id = ${task_id}
    `;
    expect(generations).toHaveLength(1);
  });

  it("hands a task back", async () => {
    const reply = await update({ status: "Queued" });
    expect(expectOk(reply, UpdateStatusReply).status).toBe("Queued");
    expect(await readTask(task_id)).toMatchObject({
      worker_id: null,
      lease_token: null,
    });
  });

  it("refuses what may not follow with 409 and both states", async () => {
    await admin()`update public.tasks set status = 'Complete' where id = ${task_id}`;
    const error = expectError(
      await update({ status: "Queued" }),
      "ILLEGAL_TRANSITION",
    );
    expect(error.message).toMatch(/Complete.*Queued/);
  });

  it("refuses a report under a lease that is lost with 409", async () => {
    const lease_token = crypto.randomUUID();
    for (const status of ["Failed", "In Progress", "Complete"]) {
      expectError(await update({ status, lease_token }), "LEASE_LOST");
    }
    expect((await readTask(task_id))["status"]).toBe("In Progress");
  });

  it("is open to the owner's token and user, to others it is 404", async () => {
    const stranger = await createOwner();
    const body = { task_id, status: "Failed" };
    for (
      const key of [await createToken(stranger), await userJwt(stranger.id)]
    ) {
      expectError(await send(body, key), "TASK_NOT_FOUND");
    }
    expect((await readTask(task_id))["status"]).toBe("In Progress");
    expect((await send(body, await userJwt(owner.id))).status).toBe(200);
  });

  it.each([
    ["a word as flag", { reset_generation_started_at: "true" }],
    ["a lease that is no UUID", { lease_token: "1" }],
    ["a status in lower case", { status: "in progress" }],
    ["a status with an underscore", { status: "IN_PROGRESS" }],
  ])("hears a report with %s", async (_what, fields) => {
    const reply = await update({ status: "In Progress", ...fields });
    expect(reply.status, reply.text).toBe(200);
  });

  it("hears a failure in lower case", async () => {
    const reply = await update({ status: "failed", error_message: "OOM" });
    expect(reply.status, reply.text).toBe(200);
    expect(reply.json).toMatchObject({ status: "Failed" });
  });

  it.each([
    ["an id that is no UUID", { task_id: "unknown_task_1760000000" }],
    ["a status that does not exist", { status: "Done" }],
    ["no status", { status: undefined }],
  ])("refuses %s with 400", async (_what, fields) => {
    const body = { status: "In Progress", ...fields };
    expectError(await update(body), "INVALID_BODY");
  });
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
