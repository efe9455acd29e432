import { beforeEach, describe, expect, it } from "vitest";
import { ClaimedTask, ClaimPreview } from "../../shared/claim.ts";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  createToken,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe("claim-next-task", () => {
  it("hands out the oldest task of the pool to a gpu worker", async () => {
    await createTask(owner, { task_type: "edit_image" });
    const id = await createTask(owner, { params: { prompt: "a bus" } });
    await createTask(owner);
    const task = expectOk(
      await claim({ worker_id: W, run_type: "gpu" }),
      ClaimedTask,
    );
    expect(task).toMatchObject({
      task_id: id,
      task_type: "clip",
      params: { prompt: "a bus" },
      project_id: owner.projectId,
      attempt: 1,
    });
    expect(await readTask(id)).toMatchObject({
      status: "In Progress",
      worker_id: W,
      attempts: 1,
      lease_token: task.lease_token,
    });
  });

  it("hands api work to an api worker only", async () => {
    const id = await createTask(owner, { task_type: "edit_image" });
    expect((await claim({ worker_id: W })).status).toBe(204);
    const body = { worker_id: "api-worker-main", run_type: "api" };
    expect(expectOk(await claim(body), ClaimedTask).task_id).toBe(id);
  });

  it("answers 204 without a body when there is nothing", async () => {
    const reply = await claim({ worker_id: W, run_type: "gpu" });
    expect(reply.status).toBe(204);
    expect(reply.text).toBe("");
    expect(reply.headers.get("x-request-id")).toBeTruthy();
  });

  it("answers params byte for byte, 64-bit seeds too", async () => {
    const params = '{"big": 12345678901234567890.123456789, ' +
      '"seed": 9223372036854775807, "text": "ü \\"😀\\" \\\\u0041"}';
    await createTask(owner, { params });
    const reply = await claim({ worker_id: W });
    expectOk(reply, ClaimedTask);
    const sent = /"params"\s*:\s*(\{.*?\})/.exec(reply.text)?.[1];
    const [stored] = await admin()<{ params: string }[]>`
      select params::text from public.tasks
    `;
    expect(sent).toBe(stored?.params);
    expect(sent).toContain("9223372036854775807");
    expect(sent).toContain("12345678901234567890.123456789");
  });

  it("claims for a token what its owner has and nothing else", async () => {
    const stranger = await createOwner();
    await createTask(stranger);
    const id = await createTask(owner, { run_type: "local" });
    const key = await createToken(owner);
    const body = { worker_id: "machine-of-owner" };
    const reply = await callFunction("claim-next-task", body, { key });
    expect(expectOk(reply, ClaimedTask).task_id).toBe(id);
    const again = await callFunction("claim-next-task", { worker_id: "two" }, {
      key,
    });
    expect(again.status).toBe(204);
    expect((await readTask(id))["worker_id"])
      .toMatch(/^token:[0-9a-f-]{36}:machine-of-owner$/);
  });

  it("repeats its answer for the same claim_id, also after a lost reply", async () => {
    await createTask(owner);
    await createTask(owner);
    const body = { worker_id: W, claim_id: "first" };
    const [first, second] = [await claim(body), await claim(body)];
    expectOk(first, ClaimedTask);
    expect(second.text).toBe(first.text);
  });

  it("uses up the attempts of a task whose claim is repeated forever", async () => {
    const [poison, next] = [await createTask(owner), await createTask(owner)];
    const body = { worker_id: W, claim_id: "derived-from-the-name" };
    const attempts: number[] = [];
    let task = expectOk(await claim(body), ClaimedTask);
    for (; task.task_id === poison && attempts.length < 100;) {
      attempts.push(task.attempt ?? 0);
      task = expectOk(await claim(body), ClaimedTask);
    }
    // Ten times the reply may have been lost.
    expect(attempts).toEqual([...Array.from({ length: 11 }, () => 1), 2, 3]);
    expect(task.task_id).toBe(next);
    expect(await readTask(poison)).toMatchObject({
      status: "Failed",
      error_message: expect.stringContaining("Given up after 3 attempts"),
    });
  });

  it("tells with dry_run what it would do and does nothing", async () => {
    const id = await createTask(owner);
    const body = { worker_id: W, dry_run: true };
    const preview = expectOk(await claim(body), ClaimPreview);
    expect(preview).toMatchObject({
      available_tasks: 1,
      task: { task_id: id },
    });
    expect(preview.task?.lease_token ?? null).toBeNull();
    expect(await readTask(id)).toMatchObject({ status: "Queued", attempts: 0 });
    await admin()`delete from public.tasks`;
    const empty = expectOk(await claim(body), ClaimPreview);
    expect(empty).toMatchObject({ available_tasks: 0, task: null });
  });

  it("takes what deployed and newer clients send besides", async () => {
    await createTask(owner);
    const body = {
      worker_id: W,
      run_type: null,
      same_model_only: false,
      max_task_wait_minutes: 0.5,
      debug: true,
      unheard_of: [1],
    };
    expectOk(await claim(body), ClaimedTask);
  });

  it.each(["terminating", "terminated", "error"])(
    "refuses a worker that is %s with 409",
    async (status) => {
      const id = await createTask(owner);
      await admin()`insert into public.workers (id, status) values (${W}, ${status})`;
      const error = expectError(
        await claim({ worker_id: W }),
        "WORKER_NOT_ELIGIBLE",
      );
      expect(error.message).toContain(status);
      expect((await readTask(id))["status"]).toBe("Queued");
    },
  );

  it("refuses a claim_id whose task has ended with 409", async () => {
    const id = await createTask(owner);
    await claim({ worker_id: W, claim_id: "used" });
    await callFunction("complete-task", { task_id: id }, {
      key: stack().secretKey,
    });
    expectError(
      await claim({ worker_id: W, claim_id: "used" }),
      "CLAIM_ID_USED",
    );
  });

  it.each([
    ["no worker", { run_type: "gpu" }],
    ["an empty worker", { worker_id: "" }],
    ["a number as worker", { worker_id: 7 }],
    ["an unknown pool", { worker_id: "w", run_type: "cpu" }],
    ["a negative wait", { worker_id: "w", max_task_wait_minutes: -1 }],
    ["no object", "[]"],
    ["no JSON", "{"],
    ["nothing", ""],
  ])("refuses %s with 400", async (_what, body) => {
    await createTask(owner);
    expectError(await claim(body), "INVALID_BODY");
  });

  it("refuses a body above 1 MiB with 413", async () => {
    const body = { worker_id: W, filler: "x".repeat(1024 * 1024) };
    expectError(await claim(body), "BODY_TOO_LARGE");
  });
});

const W = "gpu-of-a-test";

function claim(body: unknown) {
  return callFunction("claim-next-task", body, { key: stack().serviceRoleKey });
}
