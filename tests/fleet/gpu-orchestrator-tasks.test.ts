/** What the GPU orchestrator asks about tasks, and its resets: contract 4.2. */
import { isDeepStrictEqual } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { runJob, storyOf } from "../support/fleet.ts";
import { callFunction } from "../support/http.ts";
import { RESET } from "../support/resets.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

const W = "gpu-20260111_120000-0a1b2c3d";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

afterEach(resetClock);

describe("the GPU orchestrator's questions about tasks", () => {
  it("find a worker's last completion: processed_at is there, newest first", async () => {
    const ids: string[] = [];
    for (const _ of [1, 2]) {
      const task_id = await createTask(owner);
      await startTask(task_id, W);
      await edge("complete_task", { task_id, output_location: "a.mp4" });
      ids.push(task_id);
    }
    const reply = await tasks({
      select: "generation_processed_at,updated_at",
      worker_id: `eq.${W}`,
      status: "eq.Complete",
      order: "generation_processed_at.desc",
      limit: "1",
    });
    // With nulls first, one completion without a time would hide all others.
    const last = await readTask(ids[1] ?? "");
    expect(reply.json).toEqual([{
      generation_processed_at: expect.stringMatching(/\+00:00$/),
      updated_at: expect.stringMatching(/\+00:00$/),
    }]);
    const [row] = reply.json as { generation_processed_at: string }[];
    expect(Date.parse(row?.generation_processed_at ?? ""))
      .toBe(Number(last["generation_processed_at"]));
  });

  it("leave a completion its time, whatever a late reset says", async () => {
    const id = await createTask(owner);
    await startTask(id, W);
    await edge("complete_task", { task_id: id, output_location: "a.mp4" });
    const reply = await rest("PATCH", "tasks", { id: `in.(${id})` }, {
      body: { ...RESET, error_message: "Reset - orphaned" },
    });
    expect(reply.json).toEqual([]);
    expect(await readTask(id)).toMatchObject({
      status: "Complete",
      worker_id: W,
      generation_processed_at: expect.any(Date),
    });
  });

  it("find what is stuck without a worker, and reset what may start again", async () => {
    const id = await createTask(owner);
    await startTask(id, W);
    await admin()`
      update public.tasks
      set worker_id = null, generation_started_at = now() - interval '16 minutes'
      where id = ${id}
    `;
    const found = await tasks({
      select: "id,task_type",
      status: "eq.In Progress",
      worker_id: "is.null",
      generation_started_at: `lt.${minutesAgo(15)}`,
    });
    expect(found.json).toEqual([{ id, task_type: "travel_segment" }]);
    const message = "Reset - stuck in progress with no worker assigned";
    const body = { ...RESET, error_message: message };
    const filter = { id: `in.(${id})`, attempts: "lt.3" };
    const reply = await rest("PATCH", "tasks", filter, { body });
    expect(reply.json).toMatchObject([{
      id,
      ...RESET,
      error_message: message,
      attempts: 1,
    }]);
  });

  it("reset what they name and no other column, row or task", async () => {
    const id = await createTask(owner, { params: { a: 1 }, priority: 3 });
    const [other, waiting] = [await createTask(owner), await createTask(owner)];
    await startTask(id, W);
    await startTask(other, W);
    const others = [await readTask(other), await readTask(waiting)];
    const before = await readTask(id);
    const body = { ...RESET, error_message: "Reset - orphaned" };
    await rest("PATCH", "tasks", { id: `in.(${id})` }, { body });
    const after = await readTask(id);
    const changed = Object.keys(after)
      .filter((name) => !isDeepStrictEqual(after[name], before[name]));
    expect(changed.toSorted()).toEqual([
      "error_message",
      "generation_started_at",
      // The proof of the start that is over, and where the task stands now.
      "lease_token",
      "readiness",
      "status",
      "updated_at",
      "worker_id",
    ]);
    expect([await readTask(other), await readTask(waiting)]).toEqual(others);
  });

  it("do not find what has no time, which the queue itself looks after", async () => {
    const id = await createTask(owner);
    await startTask(id, W);
    // As on rows from before these columns were kept.
    await admin()`alter table public.tasks disable trigger user`;
    await admin()`
      update public.tasks
      set generation_started_at = null, updated_at = null, claimed_at = null,
        created_at = now() - interval '1 day'
      where id = ${id}
    `;
    await admin()`alter table public.tasks enable trigger user`;
    for (
      const filter of [
        { updated_at: `lt.${minutesAgo(30)}` },
        { generation_started_at: `lt.${minutesAgo(7)}` },
      ]
    ) {
      const query = { select: "id", status: "eq.In Progress", ...filter };
      expect((await tasks(query)).json).toEqual([]);
    }
    // Nobody's silence counts right after a start of the database.
    await stepClock("101 seconds");
    await runJob("rescue");
    expect(await readTask(id)).toMatchObject({
      status: "Queued",
      worker_id: null,
    });
  });

  it("find stale work by updated_at, and reset it with its message", async () => {
    const id = await createTask(owner);
    await stepClock("-31 minutes");
    await startTask(id, W);
    await resetClock();
    const stale = {
      select: "id,task_type,worker_id",
      status: "eq.In Progress",
      updated_at: `lt.${minutesAgo(30)}`,
      attempts: "lt.3",
    };
    const message = "Reset - no activity for 30 minutes (stale task)";
    expect((await tasks(stale)).json)
      .toEqual([{ id, task_type: "travel_segment", worker_id: W }]);
    const body = { ...RESET, error_message: message };
    const reply = await rest("PATCH", "tasks", { id: `in.(${id})` }, { body });
    expect(reply.json).toMatchObject([{ id, error_message: message }]);
  });

  it("end a task that was reset after its last start, with the last reason", async () => {
    const id = await createTask(owner);
    const body = { ...RESET, error_message: "Reset - orphaned" };
    for (const _ of [1, 2, 3]) {
      await startTask(id, W);
      await rest("PATCH", "tasks", { id: `eq.${id}` }, { body });
    }
    expect(await readTask(id)).toMatchObject({ status: "Failed", attempts: 3 });
    // The same words each time, and still the reason.
    expect((await storyOf(id)).filter((line) => line.endsWith("orphaned")))
      .toHaveLength(3);
    expect((await readTask(id))["error_message"]).toBe(
      "Given up after 3 attempts; the last one ended with: Reset - orphaned",
    );
  });
});

function minutesAgo(minutes: number): string {
  return new Date(Date.now() - minutes * 60_000).toISOString()
    .replace("Z", "+00:00");
}

function edge(name: string, body: unknown) {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}

function tasks(query: Record<string, string>) {
  return rest("GET", "tasks", query);
}
