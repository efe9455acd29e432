import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { admin } from "../support/db.ts";
import { callRpc } from "../support/http.ts";
import { stack } from "../support/stack.ts";
import { createOwner, createTask, reset } from "../support/world.ts";

const SERVICE = { kind: "service" };
const UNKNOWN = { kind: "token", hash: "0".repeat(64) };

beforeEach(reset);

/** As PostgREST sends every error: these four and no more. */
const PostgrestError = z.strictObject({
  code: z.string(),
  message: z.string(),
  details: z.string().nullable(),
  hint: z.string().nullable(),
});

/** Called without the functions, the database refuses in the same words. */
describe("an rpc through the Data API with the service key", () => {
  it.each([
    ["claim_next_task", { p_worker_id: "" }, 400, "INVALID_ARGUMENT"],
    [
      "claim_next_task",
      { p_worker_id: "w", p_run_type: "cpu" },
      400,
      "INVALID_ARGUMENT",
    ],
    [
      "claim_next_task",
      { p_worker_id: "w", p_caller: UNKNOWN },
      403,
      "UNKNOWN_TOKEN",
    ],
    ["claim_next_task", { p_worker_id: "w", p_caller: {} }, 403, "FORBIDDEN"],
    ["claim_next_task", { p_worker_id: "gone" }, 409, "WORKER_NOT_ELIGIBLE"],
    ["task_counts", { p_run_type: "cpu" }, 400, "INVALID_ARGUMENT"],
    [
      "complete_task",
      { p_task_id: crypto.randomUUID() },
      404,
      "TASK_NOT_FOUND",
    ],
    ["complete_task", {}, 409, "ILLEGAL_TRANSITION"],
    [
      "complete_task",
      { p_lease_token: crypto.randomUUID() },
      409,
      "LEASE_LOST",
    ],
    [
      "update_task_status",
      { p_status: "In Progress" },
      409,
      "ILLEGAL_TRANSITION",
    ],
  ])("%s %j answers %i %s", async (name, args, status, code) => {
    await admin()`
      insert into public.workers (id, status) values ('gone', 'terminated')
    `;
    const task = await createTask(await createOwner());
    const needsTask = ["complete_task", "update_task_status"].includes(name);
    const body = {
      p_caller: SERVICE,
      ...(needsTask ? { p_task_id: task } : {}),
      ...args,
    };
    const reply = await callRpc(name, body, { key: stack().serviceRoleKey });
    expect(reply.status, reply.text).toBe(status);
    const { hint, ...error } = PostgrestError.parse(reply.json);
    expect(error).toEqual({
      code: `PT${status}`,
      message: expect.stringMatching(/^[A-Z]/),
      details: code,
    });
    expect(hint).not.toBe("");
  });

  it("answers what the function passes on", async () => {
    const id = await createTask(await createOwner());
    const body = { p_caller: SERVICE, p_worker_id: "direct" };
    const key = { key: stack().serviceRoleKey };
    const claimed = await callRpc("claim_next_task", body, key);
    expect(claimed.status).toBe(200);
    expect(claimed.json).toMatchObject({ task_id: id });
    const nothing = await callRpc("claim_next_task", {
      ...body,
      p_worker_id: "2",
    }, key);
    expect(nothing.status).toBe(200);
    expect(nothing.text).toBe("null");
  });
});
