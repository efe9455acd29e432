import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { admin } from "../../support/db.ts";
import { resetClock, stepClock } from "../../support/clock.ts";
import { counterDrift } from "../../support/drift.ts";
import {
  beat,
  claimAs,
  runJob,
  spawnWorker,
  storyOf,
} from "../../support/fleet.ts";
import { callFunction } from "../../support/http.ts";
import { rest } from "../../support/rest.ts";
import { stack } from "../../support/stack.ts";
import { createTask, createTasks } from "../../support/fleet-tasks.ts";
import { createOwner, readTask, reset } from "../../support/world.ts";

// 2025-10-07, 17:26: a travel_orchestrator killed each worker within a second of
// its claim. It was noticed after 607 s, stayed In Progress for hours with 0
// attempts, and killed the next worker as well.

const PAYLOAD = JSON.parse(readFileSync(
  new URL("../payloads/poison-travel-orchestrator.json", import.meta.url),
  "utf8",
)) as { task_type: string; params: unknown };

let poison: string;
let others: string[];

beforeAll(async () => {
  await reset();
  // Long after the start of the database, so that silence counts.
  await stepClock("1 hour");
  const owner = await createOwner();
  poison = await createTask(owner, {
    task_type: PAYLOAD.task_type,
    params: PAYLOAD.params,
    priority: 1,
  });
  others = await createTasks(owner, 3);
});

afterAll(resetClock);

describe("a task that kills its worker", () => {
  it("is requeued within 180 s of the last heartbeat, by a job that runs each minute", async () => {
    await dieOf("gpu-20251007_171247-3e03e2d1");
    let seconds = 0;
    while ((await readTask(poison))["status"] === "In Progress") {
      await stepClock("60 seconds");
      seconds += 60;
      expect(seconds).toBeLessThanOrEqual(180);
      await runJob("rescue");
    }
    expect(await readTask(poison)).toMatchObject({
      status: "Queued",
      attempts: 1,
      worker_id: null,
    });
    const [worker] = await workers("gpu-20251007_171247-3e03e2d1");
    expect(worker).toMatchObject({
      status: "error",
      metadata: {
        runpod_id: "pod-gpu-20251007_171247-3e03e2d1",
        error_reason: expect.stringContaining("no heartbeat since its claim"),
      },
    });
    await anotherTaskFlows();
  });

  it("is back at once when the orchestrator ends the worker", async () => {
    await dieOf("gpu-20251007_180101-00000002");
    const reply = await rest("PATCH", "workers", {
      id: "eq.gpu-20251007_180101-00000002",
    }, { body: { status: "terminated" } });
    expect(reply.status, reply.text).toBe(200);
    expect(await readTask(poison))
      .toMatchObject({ status: "Queued", attempts: 2 });
    await anotherTaskFlows();
  });

  it("is Failed after the third worker, as its guardian reports the crash", async () => {
    await dieOf("gpu-20251007_182203-00000003");
    await beat("gpu-20251007_182203-00000003", [], "crashed");
    expect(await readTask(poison)).toMatchObject({
      status: "Failed",
      attempts: 3,
      worker_id: "gpu-20251007_182203-00000003",
      error_message: expect.stringContaining("Given up after 3 attempts"),
    });
    await anotherTaskFlows();
  });

  it("tells all three stories, with nobody having touched it", async () => {
    const story = await storyOf(poison);
    expect(story.filter((line) => line.startsWith("Queued -> In Progress")))
      .toHaveLength(3);
    expect(story.filter((line) => line.startsWith("In Progress ->"))).toEqual([
      expect.stringMatching(
        /Attempt 1 .*3e03e2d1 sent no heartbeat since its claim, \d+ s ago/,
      ),
      expect.stringMatching(/Attempt 2 .*00000002 is terminated/),
      expect.stringMatching(/Attempt 3 .*00000003 is crashed/),
    ]);
    expect(await counterDrift()).toEqual([]);
  });

  it("kills no fourth worker", async () => {
    await spawnWorker("gpu-20251007_190000-00000004");
    await beat("gpu-20251007_190000-00000004");
    expect(await claimAs("gpu-20251007_190000-00000004")).toBeNull();
  });
});

describe("the work of a worker that has ended", () => {
  it.each(["terminated", "error", "crashed"])(
    "is back at once when its row says %s",
    async (status) => {
      const workerId = `gpu-20251007_200000-${status}`;
      await spawnWorker(workerId);
      await beat(workerId);
      const id = await createTask(await createOwner());
      expect((await claimAs(workerId))?.task_id).toBe(id);
      const reply = await rest("PATCH", "workers", { id: `eq.${workerId}` }, {
        body: { status },
      });
      expect(reply.status, reply.text).toBe(200);
      expect(await readTask(id)).toMatchObject({
        status: "Queued",
        attempts: 1,
        error_message: expect.stringContaining(`is ${status}`),
      });
      await admin()`delete from public.tasks where id = ${id}`;
    },
  );
});

/** A worker starts, beats, claims the poison and is gone. */
async function dieOf(workerId: string): Promise<void> {
  await spawnWorker(workerId);
  await beat(workerId);
  expect((await claimAs(workerId))?.task_id).toBe(poison);
}

/** A healthy worker beside it gets and finishes another task of the user. */
async function anotherTaskFlows(): Promise<void> {
  const workerId = `gpu-healthy-${others.length}`;
  await spawnWorker(workerId);
  await beat(workerId);
  // The poison is first in line again; hold it back from the healthy worker.
  await admin()`
    update public.tasks set available_at = fairlane_core.now() + interval '1 second'
    where id = ${poison} and status = 'Queued'
  `;
  const task = await claimAs(workerId);
  expect(others).toContain(task?.task_id);
  others = others.filter((id) => id !== task?.task_id);
  const reply = await callFunction("complete-task", {
    task_id: task?.task_id,
    output_location: "https://files/segment.mp4",
  }, { key: stack().serviceRoleKey });
  expect(reply.status, reply.text).toBe(200);
  await stepClock("2 seconds");
}

function workers(id: string) {
  return admin()`select status, metadata from public.workers where id = ${id}`;
}
