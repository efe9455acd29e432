import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { beatBody, beatOn } from "../support/beats.ts";
import {
  admin,
  adminConnection,
  as,
  closeConnections,
  type Connection,
} from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { resetLockWait, setLockWait } from "../support/lock-wait.ts";
import { claim, complete, patchReset } from "../support/operations.ts";
import { deadlocks, pidOf, untilBlocked } from "../support/sessions.ts";
import {
  createOwner,
  createTask,
  createTasks,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";
import { rented } from "../support/fleet-words.ts";

const W = "gpu-1";
const ROUNDS = 20;

beforeEach(reset);
beforeEach(() => setLockWait());
afterEach(resetLockWait);
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

describe("concurrent heartbeats", () => {
  it("each other lose nothing", async () => {
    const sessions = Array.from({ length: 6 }, () => as("service_role"));
    await Promise.all(sessions.map((sql) => beatOn(sql, W)));
    await Promise.all(
      sessions.map((sql, i) => beatOn(sql, i % 2 === 0 ? W : `gpu-${i}`)),
    );
    const rows = await admin()`select id, status from public.workers`;
    expect(rows.map((row) => row["id"]).sort()).toEqual(
      ["gpu-1", "gpu-3", "gpu-5"],
    );
  });

  it("a first heartbeat that is not committed yet do not fail", async () => {
    const [first, second] = [as("service_role"), as("service_role")];
    await first`begin`;
    await beatOn(first, W);
    const pid = await pidOf(second);
    const pending = beatOn(second, W);
    await untilBlocked(pid);
    await first`commit`;
    expect(await pending).toMatchObject({ success: true });
    expect(await worker()).toMatchObject({ status: "active" });
  });

  it("an orchestrator's read-modify-write keep what they wrote", async () => {
    await addWorker({ ...rented("pod"), vram_timestamp: 17, vram_total_mb: 1 });
    const [beater, orchestrator] = [as("service_role"), as("service_role")];
    const read = (await worker()).metadata;
    await beater`begin`;
    await beatOn(beater, W);
    const pid = await pidOf(orchestrator);
    const pending = patchMetadata(orchestrator, { ...read, seen: true });
    await untilBlocked(pid);
    await beater`commit`;
    await pending;
    expect((await worker()).metadata).toMatchObject({
      ...rented("pod"),
      vram_total_mb: 24564,
      vram_used_mb: 812,
      seen: true,
    });
  });

  it("an orchestrator's open PATCH keep what that wrote", async () => {
    await addWorker(rented("pod"));
    const [beater, orchestrator] = [as("service_role"), as("service_role")];
    await orchestrator`begin`;
    await patchMetadata(orchestrator, { ...rented("pod"), seen: true });
    const pid = await pidOf(beater);
    const pending = beatOn(beater, W);
    await untilBlocked(pid);
    await orchestrator`commit`;
    await pending;
    expect((await worker()).metadata).toMatchObject({
      ...rented("pod"),
      seen: true,
      vram_total_mb: 24564,
    });
  });

  it("a change of the worker's task do not wait for it", async () => {
    const owner = await createOwner();
    const [busy, idle] = [await createTask(owner), await createTask(owner)];
    await startTask(busy, W);
    await startTask(idle, W);
    const holder = adminConnection();
    await holder`begin`;
    await holder`select from public.tasks where id = ${busy} for update`;
    const beater = as("service_role");
    await beater`set lock_timeout = '10s'`;
    const before = await readTask(busy);
    await beatOn(beater, W, logNaming(busy, idle));
    await holder`rollback`;
    expect((await readTask(idle))["delivered_at"]).not.toBeNull();
    expect(await readTask(busy)).toEqual(before);
  });

  it("completions, resets and claims end in no deadlock", async () => {
    const owner = await createOwner({ maxInProgress: 1000 });
    const sessions = Array.from({ length: 4 }, () => as("service_role"));
    const [left, right, worker, resetter] = sessions as [
      Connection,
      Connection,
      Connection,
      Connection,
    ];
    const before = await deadlocks();
    for (let round = 0; round < ROUNDS; round++) {
      const ids = await createTasks(owner, 4);
      for (const id of ids) await startTask(id, W);
      await createTask(owner);
      await Promise.all([
        beatOn(left, W, logNaming(...ids)),
        beatOn(right, W, logNaming(...ids.toReversed())),
        complete(worker, ids[round % 4] ?? "").then(() => claim(worker, W)),
        patchReset(resetter, ids),
      ]);
    }
    expect(await deadlocks(sessions)).toBe(before);
    expect(await counterDrift()).toEqual([]);
  });
});

function logNaming(...ids: readonly string[]): Record<string, unknown> {
  const lines = ids.map((id) => ({ message: "step", task_id: id }));
  return { logs_param: beatBody(W, lines)["logs_param"] };
}

async function addWorker(metadata: Record<string, unknown>): Promise<void> {
  await admin()`
    insert into public.workers (id, status, metadata)
    values (${W}, 'active', ${JSON.stringify(metadata)}::text::jsonb)
  `;
}

async function worker(): Promise<
  { status: string; metadata: Record<string, unknown> }
> {
  const [row] = await admin()<
    { status: string; metadata: Record<string, unknown> }[]
  >`select status, metadata from public.workers where id = ${W}`;
  if (row === undefined) throw new Error("The worker is gone");
  return row;
}

async function patchMetadata(
  sql: Connection,
  metadata: Record<string, unknown>,
): Promise<void> {
  await sql`
    update public.workers
    set status = 'active', metadata = ${JSON.stringify(metadata)}::text::jsonb
    where id = ${W}
  `;
}
