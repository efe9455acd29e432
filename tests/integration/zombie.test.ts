import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { beat, claimAs, runJob, spawnWorker } from "../support/fleet.ts";
import { callFunction } from "../support/http.ts";
import { until } from "../support/sessions.ts";
import { stack } from "../support/stack.ts";
import { createOwner, createTask, readTask, reset } from "../support/world.ts";

const PROGRAM = fileURLToPath(
  new URL("../support/worker-process.mjs", import.meta.url),
);

beforeEach(async () => {
  await reset();
  // Long after the start of the database, so that silence counts.
  await stepClock("1 hour");
});

afterEach(resetClock);

describe("a worker that was stopped while others took its task for lost", () => {
  it.each([
    { sendsLease: true, answer: { status: 409, code: "LEASE_LOST" } },
    { sendsLease: false, answer: { status: 200, code: undefined } },
  ])("is told so when it goes on: $answer", async ({ sendsLease, answer }) => {
    const task = await createTask(await createOwner());
    const zombie = startWorker("gpu-stopped", sendsLease);
    try {
      expect((await zombie.reply()).body["task_id"]).toBe(task);
      await stop(zombie.pid);

      await stepClock("101 seconds");
      expect(await runJob("rescue")).toMatchObject({ requeue_lost: 1 });
      await spawnWorker("gpu-successor");
      await beat("gpu-successor");
      expect((await claimAs("gpu-successor"))?.task_id).toBe(task);
      expect(await completeAs("gpu-successor", task)).toBe(200);

      process.kill(zombie.pid, "SIGCONT");
      const late = await zombie.complete();
      expect({ status: late.status, code: late.body["code"] }).toEqual(answer);
    } finally {
      zombie.end();
    }
    expect(await readTask(task)).toMatchObject({
      status: "Complete",
      attempts: 2,
      output_location: "https://files/gpu-successor.mp4",
    });
    const generations = await admin()`
      select location from public.generations where task_id = ${task}
    `;
    expect([...generations])
      .toEqual([{ location: "https://files/gpu-successor.mp4" }]);
    expect(await counterDrift()).toEqual([]);
  });
});

describe("when the clock goes back by an hour", () => {
  it("what runs can be completed, and what is new can be claimed", async () => {
    const owner = await createOwner();
    const [first, second] = [await createTask(owner), await createTask(owner)];
    await beat("gpu-1");
    expect((await claimAs("gpu-1"))?.task_id).toBe(first);

    await stepClock("-1 hour");
    await beat("gpu-1");
    expect(await completeAs("gpu-1", first)).toBe(200);
    expect((await claimAs("gpu-1"))?.task_id).toBe(second);
    expect(await completeAs("gpu-1", second)).toBe(200);
    expect(await readTask(first)).toMatchObject({ status: "Complete" });
    expect(await counterDrift()).toEqual([]);
  });

  it("the work of a dead worker is back that hour later, and no other", async () => {
    const owner = await createOwner();
    const lost = await createTask(owner);
    await createTask(owner);
    for (const id of ["gpu-dead", "gpu-alive"]) {
      await beat(id);
      expect(await claimAs(id)).not.toBeNull();
    }
    await stepClock("-1 hour");
    expect(await runJob("rescue")).toMatchObject({ requeue_lost: 0 });

    await stepClock("1 hour 101 seconds");
    await beat("gpu-alive");
    expect(await runJob("rescue")).toMatchObject({ requeue_lost: 1 });
    expect(await readTask(lost)).toMatchObject({ status: "Queued" });
  });
});

interface Reply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A worker in a process of its own, which has claimed when it first replies. */
function startWorker(id: string, sendsLease: boolean) {
  const { apiUrl, serviceRoleKey } = stack();
  const child = spawn(process.execPath, [
    ...[PROGRAM, apiUrl, serviceRoleKey, id, String(sendsLease)],
  ], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[
    Symbol.asyncIterator
  ]();
  const reply = async (): Promise<Reply> =>
    JSON.parse((await lines.next()).value);
  return {
    pid: child.pid ?? 0,
    reply,
    complete() {
      child.stdin.write("complete\n");
      return reply();
    },
    end: () => child.kill("SIGKILL"),
  };
}

/** Stops a process, and waits until it does nothing any more. */
async function stop(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  await until("the process has stopped", () => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Promise.resolve(/\) T /.test(stat));
  });
  // Its last beat may still be on its way.
  await until("its requests have ended", async () => {
    const rows = await admin()`
      select from pg_catalog.pg_stat_activity
      where usename = 'authenticator' and state <> 'idle'
    `;
    return rows.length === 0;
  });
}

async function completeAs(workerId: string, taskId: string): Promise<number> {
  const { status } = await callFunction("complete-task", {
    task_id: taskId,
    output_location: `https://files/${workerId}.mp4`,
  }, { key: stack().serviceRoleKey });
  return status;
}
