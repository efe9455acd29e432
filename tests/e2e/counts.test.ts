import { beforeEach, describe, expect, it } from "vitest";
import { CountsReply } from "../../shared/counts.ts";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  createTasks,
  createToken,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";
import { switches } from "../support/fleet-words.ts";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe("task-counts", () => {
  it("says of an owner without credits what explain says", async () => {
    const poor = await createOwner({ credits: 0 });
    const task = await createTask(poor);
    const user = await userJwt(poor.id);
    const token = await createToken(poor);
    for (const [key, claimable] of [[user, false], [token, true]] as const) {
      const counts = await count({ run_type: "gpu" }, key);
      expect(counts.totals.queued_only).toBe(claimable ? 1 : 0);
      expect(counts.blocked).toEqual(claimable ? {} : { no_credits: 1 });
      const why = await callFunction("explain", { task_id: task }, { key });
      const reason = claimable ? null : "no_credits";
      expect(why.json).toMatchObject({ claimable, reason });
    }
    const claim = { worker_id: "at-home", run_type: "gpu" };
    const { json } = await callFunction("claim-next-task", claim, {
      key: token,
    });
    expect(json).toMatchObject({ task_id: task });
  });

  it("answers zeros for an empty queue, with nothing null in its lists", async () => {
    const counts = await count({ run_type: "gpu", include_active: false });
    expect(counts).toMatchObject({
      totals: { queued_only: 0, eligible_queued: 0, active_only: 0 },
      count: 0,
      available_tasks: 0,
      blocked: {},
      users: [],
      queued_tasks: [],
      active_tasks: [],
      recent_tasks: [],
    });
  });

  it("answers a worker, the gpu and the api orchestrator as they ask", async () => {
    await createTasks(owner, 2);
    await createTask(owner, { task_type: "edit_image" });
    await startTask(await createTask(owner));
    const worker = await count({ run_type: "gpu", include_active: true });
    expect(worker.totals).toMatchObject({
      queued_only: 2,
      eligible_queued: 2,
      active_only: 1,
      queued_plus_active: 3,
    });
    expect((await count({ run_type: "gpu" })).totals).toEqual(worker.totals);
    const api = await count({ include_active: false, run_type: "api" });
    expect(api.totals).toMatchObject({ queued_only: 1, queued_plus_active: 1 });
    expect((await count({})).totals.queued_only).toBe(3);
  });

  it("counts orchestrators, or their workers would starve", async () => {
    await createTask(owner, { task_type: "film_orchestrator" });
    const { totals } = await count({ run_type: "gpu", include_active: true });
    expect(totals).toMatchObject({ queued_only: 1, eligible_queued: 1 });
  });

  it("keeps to the limit, so that as many claims find something", async () => {
    await createTasks(owner, 8);
    const counts = await count({ run_type: "gpu" });
    expect(counts.totals.queued_only).toBe(5);
    expect(counts.blocked).toEqual({ user_at_limit: 3 });
    expect(counts.users).toMatchObject([{
      user_id: owner.id,
      queued_tasks: 5,
      in_progress_tasks: 0,
      at_limit: false,
    }]);
    for (let claimed = 0; claimed < 5; claimed++) await claim(200, claimed);
    await claim(204, 6);
    const after = await count({ run_type: "gpu" });
    expect(after.totals).toMatchObject({ queued_only: 0, active_only: 5 });
    expect(after.users).toMatchObject([{
      in_progress_tasks: 5,
      at_limit: true,
    }]);
    expect(after.active_tasks).toHaveLength(5);
    expect(after.recent_tasks).toHaveLength(5);
  });

  it("names one reason for each task that waits", async () => {
    const poor = await createOwner({ credits: 0 });
    await createTask(poor);
    const off = await createOwner({
      settings: switches(false),
    });
    await createTask(off);
    await createTask(owner, { available_at: "2100-01-01T00:00:00Z" });
    await createTask(owner, { created_at: "2025-08-12T15:06:09Z" });
    await createTask(owner, { dependant_on: crypto.randomUUID() });
    const parent = await createTask(owner);
    await createTask(owner, { dependant_on: parent });
    await admin()`
      insert into public.task_types (name, is_active) values ('resting', false)
    `;
    await createTask(owner, { task_type: "resting" });
    const counts = await count({ run_type: "gpu" });
    await admin()`delete from public.task_types where name = 'resting'`;
    expect(counts.totals.queued_only).toBe(1);
    expect(counts.blocked).toEqual({
      no_credits: 1,
      cloud_disabled: 1,
      not_yet: 1,
      stale: 1,
      dependency_lost: 1,
      dependency_pending: 1,
      type_inactive: 1,
    });
  });

  it("does not count what only the owner's own machine may run", async () => {
    await createTask(owner, { run_type: "local" });
    const { totals } = await count({ run_type: "gpu" });
    expect(totals).toMatchObject({ queued_only: 0, queued_plus_active: 0 });
    const own = await count({ run_type: "gpu" }, await createToken(owner));
    expect(own.totals.queued_only).toBe(1);
  });

  it("shows tokens and users their own work only", async () => {
    await createTasks(await createOwner(), 3);
    await createTask(owner);
    for (const key of [await createToken(owner), await userJwt(owner.id)]) {
      const counts = await count({ run_type: "gpu" }, key);
      expect(counts.totals.queued_only).toBe(1);
      expect(counts.users.map((user) => user.user_id)).toEqual([owner.id]);
      expect(counts.queued_tasks).toHaveLength(1);
    }
  });

  it("does not depend on the API's row limit", async () => {
    for (let user = 0; user < 3; user++) {
      const many = await createOwner({ maxInProgress: 1_000 });
      await createTasks(many, 500);
    }
    const counts = await count({ run_type: "gpu" });
    expect(counts.totals.queued_only).toBe(1_500);
  });

  it("survives a setting that is no boolean", async () => {
    const odd = await createOwner({
      settings: switches("perhaps"),
    });
    await createTask(odd);
    expect((await count({ run_type: "gpu" })).totals.queued_only).toBe(1);
  });

  it.each([{ run_type: "cpu" }, { include_active: "yes" }, "[]", "", "null"])(
    "refuses %j with 400",
    async (body) => {
      const options = { key: stack().serviceRoleKey };
      expectError(
        await callFunction("task-counts", body, options),
        "INVALID_BODY",
      );
    },
  );

  it("refuses a body above 1 MiB with 413", async () => {
    const body = { filler: "x".repeat(1024 * 1024) };
    const options = { key: stack().serviceRoleKey };
    expectError(
      await callFunction("task-counts", body, options),
      "BODY_TOO_LARGE",
    );
  });
});

async function count(
  body: unknown,
  key = stack().serviceRoleKey,
): Promise<CountsReply> {
  return expectOk(
    await callFunction("task-counts", body, { key }),
    CountsReply,
  );
}

async function claim(status: number, index: number): Promise<void> {
  const body = { worker_id: `worker-${index}`, run_type: "gpu" };
  const key = stack().serviceRoleKey;
  expect((await callFunction("claim-next-task", body, { key })).status).toBe(
    status,
  );
}
