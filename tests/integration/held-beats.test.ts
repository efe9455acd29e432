import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import {
  admin,
  adminConnection,
  as,
  closeConnections,
  type Connection,
} from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { holdOwner, isOpen, leaveOpen } from "../support/holding.ts";
import { pidOf, untilBlocked } from "../support/sessions.ts";
import {
  createOwner,
  createTask,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);
afterEach(resetClock);

describe("a heartbeat while somebody's transaction is left open", () => {
  it("is answered while that holds the worker's row, and keeps its work", async () => {
    const id = await startOn("gpu-1");
    const holder = await leaveOpen((sql) =>
      sql`update public.workers set metadata = '{}' where id = 'gpu-1'`
    );
    await stepClock("90 seconds");
    expect(await beat("gpu-1")).toMatchObject({ success: true, stop: [] });
    expect(await isOpen(holder)).toBe(true);
    await holder`rollback`;

    // 150 s after the beat that its row knows, 60 s after the one that was noted.
    await stepClock("60 seconds");
    await rescue();
    expect(await readTask(id)).toMatchObject({ status: "In Progress" });
    await stepClock("60 seconds");
    await rescue();
    expect(await readTask(id)).toMatchObject({ status: "Queued" });
  });

  it("is answered while that holds its task, and the task's owner", async () => {
    const id = await startOn("gpu-1");
    const holder = await leaveOpen((sql) =>
      sql`update public.tasks set status = 'Cancelled' where id = ${id}`
    );
    expect(await beat("gpu-1", { current_task_id_param: id }))
      .toMatchObject({ success: true, stop: [] });
    expect(await isOpen(holder)).toBe(true);
  });

  it("ends the worker at once, and its work comes back when it can", async () => {
    const id = await startOn("gpu-1");
    const holder = await holdOwner(owner);
    expect(await beat("gpu-1", { status_param: "crashed" }))
      .toMatchObject({ success: true });
    expect(await isOpen(holder)).toBe(true);
    expect(await statusOf("gpu-1")).toBe("crashed");
    await holder`rollback`;

    await rescue();
    expect(await readTask(id)).toMatchObject({ status: "Queued" });
    expect(await counterDrift()).toEqual([]);
  });
});

describe("a last heartbeat while somebody's transaction is left open", () => {
  it.each([
    ["terminated", 0],
    ["crashed", 1],
  ])(
    "is not forgotten when that holds the worker's row: %s",
    async (status, attempts) => {
      const id = await startOn("gpu-1");
      const holder = await leaveOpen((sql) =>
        sql`select from public.workers where id = 'gpu-1' for update`
      );
      expect(await beat("gpu-1", { status_param: status }))
        .toMatchObject({ success: true });
      await rescue();
      expect(await isOpen(holder)).toBe(true);
      expect(await readTask(id)).toMatchObject({ status: "In Progress" });
      await holder`rollback`;

      await rescue();
      expect(await readTask(id)).toMatchObject({ status: "Queued", attempts });
      expect(await statusOf("gpu-1")).toBe(status);
      expect(await counterDrift()).toEqual([]);
    },
  );

  it("is reverted by a later heartbeat", async () => {
    const id = await startOn("gpu-1");
    const holder = await leaveOpen((sql) =>
      sql`select from public.workers where id = 'gpu-1' for update`
    );
    await beat("gpu-1", { status_param: "terminated" });
    await holder`rollback`;
    await stepClock("1 second");
    await beat("gpu-1");

    await rescue();
    expect(await readTask(id)).toMatchObject({ status: "In Progress" });
    expect(await statusOf("gpu-1")).toBe("active");
  });

  it("does not count the attempt when that holds the owner", async () => {
    const id = await startOn("gpu-1");
    const holder = await holdOwner(owner);
    await beat("gpu-1", { status_param: "terminated" });
    expect(await isOpen(holder)).toBe(true);
    await holder`rollback`;

    await rescue();
    expect(await readTask(id)).toMatchObject({ status: "Queued", attempts: 0 });
  });
});

describe("the end of a worker while somebody holds the owner of its work", () => {
  it.each([
    [
      "an orchestrator's PATCH",
      "update public.workers set status = 'terminated'",
    ],
    ["the deletion of its row", "delete from public.workers"],
  ])("waits for nobody: %s", async (_what, statement) => {
    const id = await startOn("gpu-1");
    const holder = await holdOwner(owner);
    const orchestrator = as("service_role");
    await orchestrator`set statement_timeout = '20s'`;
    await orchestrator.unsafe(`${statement} where id = 'gpu-1'`);
    expect(await isOpen(holder)).toBe(true);
    await holder`rollback`;

    await stepClock("101 seconds");
    await rescue();
    expect(await readTask(id)).toMatchObject({ status: "Queued" });
    expect(await counterDrift()).toEqual([]);
  });
});

describe("a rescue beside a heartbeat", () => {
  it("takes nothing while the heartbeat is under way", async () => {
    const id = await startOn("gpu-1");
    await stepClock("101 seconds");
    const beating = await leaveOpen((sql) => sendBeat(sql, "gpu-1"));

    await rescue();
    expect(await isOpen(beating)).toBe(true);
    expect(await readTask(id)).toMatchObject({ status: "In Progress" });
    await beating`commit`;
    await rescue();
    expect(await readTask(id)).toMatchObject({ status: "In Progress" });
    expect(await statusOf("gpu-1")).toBe("active");
  });

  it("takes nothing when the heartbeat came after its read", async () => {
    const [dead, live] = [await startOn("gpu-1"), await startOn("gpu-2")];
    await stepClock("101 seconds");
    // It stops in the middle of its work on the first of the two.
    const gate = await leaveOpen((sql) =>
      sql`select pg_advisory_xact_lock(4242)`
    );
    await pauseAt("gpu-1");
    const rescuer = adminConnection();
    const pid = await pidOf(rescuer);
    const pending = rescuer`select fairlane_core.rescue()`.execute();
    await untilBlocked(pid);
    await beat("gpu-2");
    await gate`commit`;
    await pending;
    await admin()`drop trigger pause on public.workers`;

    expect(await readTask(dead)).toMatchObject({ status: "Queued" });
    expect(await readTask(live)).toMatchObject({ status: "In Progress" });
    expect(await statusOf("gpu-2")).toBe("active");
  });
});

/** A task that runs on a worker which has just beaten. */
async function startOn(worker: string): Promise<string> {
  const id = await createTask(owner);
  await startTask(id, worker);
  await beat(worker, { current_task_id_param: id });
  return id;
}

function beat(worker: string, fields: object = {}): Promise<unknown> {
  return sendBeat(as("service_role"), worker, fields);
}

async function sendBeat(
  sql: Connection,
  worker: string,
  fields: object = {},
): Promise<unknown> {
  const body = JSON.stringify({ worker_id_param: worker, ...fields });
  const [row] = await sql<{ reply: unknown }[]>`
    select public.func_worker_heartbeat_with_logs(${body}::text::json) as reply
  `;
  return row?.reply;
}

async function rescue(): Promise<void> {
  const sql = adminConnection();
  await sql`set statement_timeout = '20s'`;
  await sql`select fairlane_core.rescue()`;
}

async function statusOf(worker: string): Promise<unknown> {
  const [row] = await admin()`
    select status from public.workers where id = ${worker}
  `;
  return row?.["status"];
}

/** From now on whoever changes this worker's row waits at an advisory lock. */
async function pauseAt(worker: string): Promise<void> {
  await admin().unsafe(`
    create or replace function pg_temp.pause() returns trigger language plpgsql as $$
    begin
      perform pg_advisory_xact_lock(4242);
      return new;
    end;
    $$;
    create trigger pause before update on public.workers
      for each row when (new.id = '${worker}') execute function pg_temp.pause();
  `);
}
