import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WorkerHealthReply } from "../../../shared/worker-health.ts";
import { resetClock, stepClock } from "../../support/clock.ts";
import { admin } from "../../support/db.ts";
import { counterDrift } from "../../support/drift.ts";
import { beat, claimAs, runJob, spawnWorker } from "../../support/fleet.ts";
import { callFunction } from "../../support/http.ts";
import { expectError, expectOk } from "../../support/replies.ts";
import { rest } from "../../support/rest.ts";
import { stack } from "../../support/stack.ts";
import { createTasks } from "../../support/fleet-tasks.ts";
import { createOwner, readTask, reset } from "../../support/world.ts";

// 2025-10-15, 18:26 to 18:57: six of six workers claimed a task and never sent a
// beat. Each was given up after some 330 s, ten ended without a reason, and
// three tasks waited behind them.

const WORKERS = [
  "gpu-20251015_182603-1a2b3c4d",
  "gpu-20251015_183634-5e6f7a8b",
  "gpu-20251015_184706-9c0d1e2f",
  "gpu-20251015_185735-a3b4c5d6",
  "gpu-20251015_190811-e7f8a9b0",
  "gpu-20251015_191842-c1d2e3f4",
];
/** Until the last of them has been found out, too. */
const TICKS = WORKERS.length + 2;

let tasks: string[];

beforeAll(async () => {
  await reset();
  // Long after the start of the database, so that silence counts.
  await stepClock("1 hour");
  tasks = await createTasks(await createOwner(), 3);
  for (let tick = 0; tick < TICKS; tick++) {
    const next = WORKERS[tick];
    if (next !== undefined) {
      await spawnWorker(next);
      expect(await claimAs(next), `${next} finds work`).not.toBeNull();
    }
    await runJob("rescue");
    await stepClock("60 seconds");
  }
});

afterAll(resetClock);

describe("workers that claim and never send a heartbeat", () => {
  it("lose their tasks within 180 s of the claim, every one", async () => {
    const holds = await admin()<{ worker_id: string; seconds: number }[]>`
      select
        s.worker_id,
        extract(epoch from min(e.at) - s.at)::float as seconds
      from public.task_events as s
        join public.task_events as e on e.task_id = s.task_id
          and e.id > s.id
          and e.from_status = 'In Progress'
      where s.to_status = 'In Progress'
      group by s.id
      order by s.id
    `;
    expect(holds.map((hold) => hold.worker_id)).toEqual(WORKERS);
    expect(Math.max(...holds.map((hold) => hold.seconds)))
      .toBeLessThanOrEqual(180);
    for (const id of tasks) {
      expect(await readTask(id)).toMatchObject({
        status: "Queued",
        attempts: 2,
        error_message: expect.stringContaining("no heartbeat since its claim"),
      });
    }
    expect(await counterDrift()).toEqual([]);
  });

  it("have a reason each, which one call sums up with what they took down", async () => {
    const { failures, spawning } = await health();
    expect(failures).toMatchObject({
      workers_seen: 6,
      workers_failed: 6,
      failure_rate: 1,
      reasons: [{
        reason: expect.stringContaining("no heartbeat since its claim"),
        workers: 6,
      }],
    });
    expect(failures.failed_workers.map((worker) => worker.worker_id).sort())
      .toEqual([...WORKERS].sort());
    for (const worker of failures.failed_workers) {
      expect(worker.reason).toContain(worker.worker_id);
      expect(worker.tasks).toEqual([{
        task_id: expect.toBeOneOf(tasks),
        task_type: "travel_segment",
        outcome: "requeue_lost",
      }]);
    }
    expect(spawning).toMatchObject({
      makes_sense: false,
      code: "WORKERS_FAIL",
      claimable: 3,
    });
  });

  it("do not count for longer than the window", async () => {
    await stepClock("31 minutes");
    const { failures, spawning } = await health();
    expect(failures).toMatchObject({ workers_seen: 0, failure_rate: null });
    expect(spawning.code).toBe("MORE_WORK_THAN_WORKERS");
  });
});

describe("worker-health", () => {
  it("says which of the four it is", async () => {
    const ids = ["gpu-idle", "gpu-refused", "gpu-mute", "gpu-wordless"];
    for (const id of ids) await spawnWorker(id);
    // Their machines have had all the time they may take to start.
    await stepClock("11 minutes");
    const timestamp = await clock();
    await beat("gpu-idle", [{ message: "Waiting for work", timestamp }]);
    await beat("gpu-wordless");
    await end("gpu-refused", "error");
    expectError(
      await callFunction("claim-next-task", { worker_id: "gpu-refused" }, {
        key: stack().serviceRoleKey,
      }),
      "WORKER_NOT_ELIGIBLE",
    );

    const { workers } = await health();
    expect(Object.fromEntries(workers.map((w) => [w.worker_id, w.health])))
      .toMatchObject({
        "gpu-idle": "never_claimed",
        "gpu-refused": "claims_refused",
        "gpu-mute": "never_beat",
        "gpu-wordless": "silent",
      });
  });

  it.each(["error", "terminated"])(
    "names a reason for a worker set to %s without one",
    async (status) => {
      const id = `gpu-unexplained-${status}`;
      await spawnWorker(id);
      expect(await claimAs(id)).not.toBeNull();
      await end(id, status);
      const { failures } = await health();
      expect(failures.failed_workers).toContainEqual(expect.objectContaining({
        worker_id: id,
        reason: expect.stringContaining(`Set to ${status} without a reason`),
        // It was the third start of that task.
        tasks: [expect.objectContaining({ outcome: "failed" })],
      }));
    },
  );

  it("names one where it was overwritten with none", async () => {
    await spawnWorker("gpu-overwritten");
    await end("gpu-overwritten", "error");
    await admin()`
      update public.workers
      set metadata = '{"error_reason": null}'
      where id = 'gpu-overwritten'
    `;
    const { failures } = await health();
    expect(failures.failed_workers).toContainEqual(expect.objectContaining({
      worker_id: "gpu-overwritten",
      reason: expect.stringMatching(/\w/),
    }));
  });
});

async function health(): Promise<WorkerHealthReply> {
  const key = stack().serviceRoleKey;
  return expectOk(
    await callFunction("worker-health", {}, { key }),
    WorkerHealthReply,
  );
}

/** What the clock says that was stepped. */
async function clock(): Promise<string> {
  const [row] = await admin()<{ now: string }[]>`
    select fairlane_core.now()::text as now
  `;
  return row?.now ?? "";
}

/** As an orchestrator that gives no reason. */
async function end(id: string, status: string): Promise<void> {
  const reply = await rest("PATCH", "workers", { id: `eq.${id}` }, {
    body: { status },
  });
  expect(reply.json, reply.text).toHaveLength(1);
}
