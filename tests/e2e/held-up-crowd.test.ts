import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { signOfLife } from "../support/beats.ts";
import { closeConnections, type Connection } from "../support/db.ts";
import { isGuest } from "../support/profile.ts";
import { isOpen, leaveOpen } from "../support/holding.ts";
import { callFunction, type Reply } from "../support/http.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";

/** More than the Data API has connections. */
const CROWD = 15;

/** Guests are given no limit for how long roles of the Data API wait. */
const PLAIN_INSERTS: [string, () => Promise<Reply>][] = [
  [
    "plain inserts by the app",
    async () => insert(held, await userJwt(held.id)),
  ],
  ["plain inserts with the service key", () => insert(held)],
];

let held: Owner;
let other: Owner;

beforeEach(async () => {
  await reset();
  [held, other] = [await createOwner(), await createOwner()];
});
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

describe("while the app's transaction holds one owner, calls for that owner", () => {
  it.each<[string, () => Promise<Reply>]>([
    ["enqueuing", () => create(held)],
    ...(isGuest ? [] : PLAIN_INSERTS),
  ])("are refused soon and starve nobody: %s", async (_what, send) => {
    const id = await createTask(other);
    const holder = await takeCredits(held);

    const crowd = Array.from({ length: CROWD }, send);
    await answersOthers(id);
    await areRefused(await Promise.all(crowd), holder);
  });

  // Over the router they wait for their turn: one connection an isolate.
  it.skipIf(isGuest)(
    "are refused soon and starve nobody: completions",
    async () => {
      const running = await createTasks(held, CROWD);
      for (const [i, task] of running.entries()) {
        await startTask(task, `held-${i}`);
      }
      const id = await createTask(other);
      const holder = await takeCredits(held);

      const crowd = running.map((task) => complete(task));
      await answersOthers(id);
      await areRefused(await Promise.all(crowd), holder);
      await holder`rollback`;

      // Nothing is lost: the same reports are taken when the owner is free.
      for (const task of running) {
        const reply = await complete(task);
        expect(reply.status, reply.text).toBe(200);
      }
    },
  );

  it("are refused soon and lose nothing: a user's cancellation", async () => {
    const id = await createTask(held);
    const holder = await takeCredits(held);
    const key = await userJwt(held.id);
    const cancel = () =>
      callFunction("cancel-tasks", { task_ids: [id] }, { key });

    await areRefused([await cancel()], holder);
    await holder`rollback`;
    expect((await cancel()).json).toMatchObject({ cancelled: 1 });
  });
});

/** Each kind of call for another owner, with that owner's ready task. */
async function answersOthers(id: string): Promise<void> {
  const replies = await Promise.all([
    signOfLife("gpu-1"),
    call("task-counts", { run_type: "gpu" }),
    call("health", {}),
    create(other),
    insert(other),
  ]);
  for (const reply of replies) {
    expect(reply.status, reply.text).toBeLessThan(300);
  }
  const claimed = await call("claim-next-task", { worker_id: "gpu-1" });
  expect(claimed.json).toMatchObject({ task_id: id });
  expect((await complete(id)).status).toBe(200);
}

/** By the wait for the lock, not by the end of a statement's time. */
async function areRefused(
  replies: readonly Reply[],
  holder: Connection,
): Promise<void> {
  expect(await isOpen(holder)).toBe(true);
  for (const reply of replies) {
    expect(reply.status, reply.text).toBe(503);
    expect(reply.text).toContain("UNAVAILABLE");
    expect(reply.text).toContain("Another session holds");
  }
}

function takeCredits(owner: Owner): Promise<Connection> {
  return leaveOpen((sql) =>
    sql`update public.users set credits = 0 where id = ${owner.id}`
  );
}

function create({ projectId }: Owner): Promise<Reply> {
  return call("create-task", {
    task_type: "clip",
    project_id: projectId,
  });
}

function insert(
  { projectId }: Owner,
  key = stack().serviceRoleKey,
): Promise<Reply> {
  const body = {
    task_type: "clip",
    project_id: projectId,
    params: {},
  };
  return rest("POST", "tasks", {}, { key, body });
}

function complete(id: string): Promise<Reply> {
  return call("complete-task", {
    task_id: id,
    output_location: `https://files.test/${id}.mp4`,
  });
}

function call(name: string, body: unknown): Promise<Reply> {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}
