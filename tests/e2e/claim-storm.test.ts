import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ClaimedTask } from "../../shared/claim.ts";
import { CountsReply } from "../../shared/counts.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { illegalStarts } from "../support/history.ts";
import { callFunction, type Reply } from "../support/http.ts";
import { resetLockWait, setLockWait } from "../support/lock-wait.ts";
import { expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import { createOwner, createTasks, reset } from "../support/world.ts";

const CLAIMERS = 32;
const TASKS = 200;
const LIMIT = 5;
const ROUNDS = 3;

beforeEach(reset);
// A crowd on few cores may hold an owner for longer than a claim would wait.
beforeEach(() => setLockWait());
afterEach(resetLockWait);

describe("32 claimers at once over HTTP on one user with 200 tasks", () => {
  it("get five different tasks and no answer but 200 and 204", async () => {
    await createTasks(await createOwner(), TASKS);
    for (let round = 0; round < ROUNDS; round++) {
      const replies = await claimAtOnce(round);
      const statuses = replies.map((reply) => reply.status).sort();
      const none = Array<number>(CLAIMERS - LIMIT).fill(204);
      expect(statuses).toEqual([...Array<number>(LIMIT).fill(200), ...none]);

      const tasks = replies.filter((reply) => reply.status === 200)
        .map((reply) => expectOk(reply, ClaimedTask).task_id);
      expect(new Set(tasks).size).toBe(LIMIT);
      expect((await inProgress()).sort()).toEqual([...tasks].sort());
      await Promise.all(tasks.map(complete));
    }
    expect(await illegalStarts(LIMIT)).toEqual([]);
    expect(await counterDrift()).toEqual([]);
    const counts = expectOk(await call("task-counts", {}), CountsReply);
    expect(counts.totals).toMatchObject({ queued_only: LIMIT, active_only: 0 });
    expect(counts.blocked).toEqual({
      user_at_limit: TASKS - LIMIT - ROUNDS * LIMIT,
    });
  });
});

function claimAtOnce(round: number): Promise<Reply[]> {
  return Promise.all(
    Array.from({ length: CLAIMERS }, (_, index) => {
      const worker_id = `worker-${round}-${index}`;
      return call("claim-next-task", { worker_id, run_type: "gpu" });
    }),
  );
}

async function complete(task_id: string): Promise<void> {
  const reply = await call("complete-task", { task_id, output_location: "x" });
  expect(reply.status).toBe(200);
}

function call(name: string, body: unknown): Promise<Reply> {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}

async function inProgress(): Promise<string[]> {
  const rows = await admin()<{ id: string }[]>`
    select id from public.tasks where status = 'In Progress'
  `;
  return rows.map((row) => row.id);
}
