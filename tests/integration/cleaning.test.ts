import postgres from "postgres";
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
import { resetLockWait, setLockWait } from "../support/lock-wait.ts";
import { claim } from "../support/operations.ts";
import { runAsScheduled } from "../support/scheduled-jobs.ts";
import { deadlocks, pidOf, untilBlocked } from "../support/sessions.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";

/** As many as fairlane_core.run_batch changes in one transaction. */
const BATCH = 50;

beforeEach(reset);
beforeEach(() => setLockWait());
afterEach(resetLockWait);
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);
afterEach(resetClock);
afterEach(async () => {
  await admin()`
    update fairlane_core.settings
    set finished_task_retention = null, event_retention = null
  `;
});

describe("a job that cleans", () => {
  it("commits a batch before it begins the next, an owner's at a time", async () => {
    const [first, second] = await ownersInOrder();
    await oldTasks(first, BATCH / 2);
    await oldTasks(second, BATCH);
    await oldTasks(first, BATCH / 2);
    await createTask(first);
    const holder = await holdCounters(second);

    const cleaner = adminConnection();
    const pid = await pidOf(cleaner);
    const run = cleanUp(cleaner);
    await untilBlocked(pid);

    expect(await cancelled(first)).toBe(BATCH);
    expect(await cancelled(second)).toBe(0);
    expect(await jobRun("cleanup")).toMatchObject({
      result: { cancelled: BATCH },
    });
    // Nothing of what it has done is in the way of a claim any more.
    const claimer = as("service_role");
    await claimer`set lock_timeout = '10s'`;
    expect(await claim(claimer, "worker-1")).toBeTruthy();

    await holder`rollback`;
    await run;
    expect(await cancelled(second)).toBe(BATCH);
    expect(await jobRun("cleanup")).toMatchObject({
      result: { cancelled: 2 * BATCH },
    });
    expect(await counterDrift()).toEqual([]);
  });

  it("records a batch that fails, and keeps what was done before", async () => {
    const [first, second] = await ownersInOrder();
    await oldTasks(first, BATCH);
    await oldTasks(second, 1);
    await breakTasksOf(second);

    const cleaner = adminConnection();
    await cleanUp(cleaner);
    await admin()`drop trigger broken on public.tasks`;

    expect(await cancelled(first)).toBe(BATCH);
    expect(await jobRun("cleanup")).toMatchObject({
      error: expect.stringContaining("broken (P0001)"),
    });
    expect(await lateJobs()).toContain("cleanup");

    await cleanUp(cleaner);
    expect(await cancelled(second)).toBe(1);
    expect(await lateJobs()).not.toContain("cleanup");
  });

  it("checks each task once more under its lock", async () => {
    const [first, second] = await ownersInOrder();
    await oldTasks(first, BATCH);
    const [wanted = ""] = await oldTasks(second, 1);
    const holder = await holdCounters(first);
    const cleaner = adminConnection();
    const pid = await pidOf(cleaner);
    const run = cleanUp(cleaner);
    await untilBlocked(pid);

    // It is in the list of what is due; now something young waits for it.
    await createTask(second, { dependant_on: wanted });
    await holder`rollback`;
    await run;

    expect(await cancelled(first)).toBe(BATCH);
    expect(await cancelled(second)).toBe(0);
  });

  it("may run twice at once", async () => {
    const owners = [await createOwner(), await createOwner()];
    for (const owner of owners) await oldTasks(owner, 3 * BATCH);
    const cleaners = [adminConnection(), adminConnection()];
    const deadlocksBefore = await deadlocks();

    await Promise.all(cleaners.map(cleanUp));
    await cleanUp(admin());

    const [events] = await admin()`
      select count(*)::integer as all, count(distinct task_id)::integer as tasks
      from public.task_events
      where to_status = 'Cancelled'
    `;
    expect(events).toEqual({ all: 6 * BATCH, tasks: 6 * BATCH });
    expect(await deadlocks(cleaners)).toBe(deadlocksBefore);
    expect(await counterDrift()).toEqual([]);
  });

  it("says in one line of the log what all its batches did", async () => {
    await oldTasks(await createOwner(), 2 * BATCH + 1);
    const lines: (string | undefined)[] = [];
    const cleaner = postgres(stack().dbUrl, {
      max: 1,
      connection: { client_min_messages: "log" },
      onnotice: (notice) => lines.push(notice["message"]),
    });
    await cleanUp(cleaner);
    await cleaner.end();
    expect(lines.filter((line) => line?.startsWith("queue job"))).toEqual([
      `queue job cleanup: {"cancelled": ${2 * BATCH + 1}}`,
    ]);
  });

  it("purges until nothing is left of what is due", async () => {
    const owner = await createOwner({ maxInProgress: 1000 });
    for (const id of await createTasks(owner, 2 * BATCH + 1)) {
      await startTask(id);
    }
    await admin()`update public.tasks set status = 'Complete'`;
    await admin()`
      insert into public.system_logs ("timestamp", source_type, log_level, message)
      select fairlane_core.now(), 'worker', 'INFO', 'Step ' || n
      from generate_series(1, 2500) as n
    `;
    await stepClock("100 days");
    await createTask(owner);
    await admin()`
      update fairlane_core.settings
      set finished_task_retention = '90 days', event_retention = '90 days'
    `;

    await runAsScheduled(admin(), "fairlane-purge");

    expect(await jobRun("purge")).toMatchObject({
      result: { tasks: 2 * BATCH + 1, logs: 2500, events: 3 * (2 * BATCH + 1) },
    });
    const [left] = await admin()`
      select
        (select count(*)::integer from public.tasks) as tasks,
        (select count(*)::integer from public.system_logs) as logs
    `;
    expect(left).toEqual({ tasks: 1, logs: 0 });
  });
});

/** Two owners, in the order in which the job comes to them. */
async function ownersInOrder(): Promise<[Owner, Owner]> {
  const [a, b] = [await createOwner(), await createOwner()];
  return a.id < b.id ? [a, b] : [b, a];
}

/** Tasks that are due to be cancelled. */
async function oldTasks(owner: Owner, count: number): Promise<string[]> {
  const [row] =
    await admin()`select fairlane_core.now() - interval '8 days' as at`;
  const ids = await createTasks(owner, count, { created_at: row?.["at"] });
  await admin()`select fairlane_core.sweep()`;
  return ids;
}

/** Holds what a batch of this owner's has to write, in an open transaction. */
async function holdCounters(owner: Owner): Promise<Connection> {
  const holder = adminConnection();
  await holder`begin`;
  await holder`
    select from fairlane_core.blocked_tasks where user_id = ${owner.id} for update
  `;
  return holder;
}

async function cleanUp(sql: Connection): Promise<void> {
  await runAsScheduled(sql, "fairlane-cleanup");
}

async function cancelled(owner: Owner): Promise<number> {
  const rows = await admin()`
    select from public.tasks
    where user_id = ${owner.id} and status = 'Cancelled'
  `;
  return rows.length;
}

async function jobRun(job: string) {
  const [run] = await admin()`
    select result, error from fairlane_core.job_runs where job = ${job}
  `;
  return run;
}

async function lateJobs(): Promise<string[]> {
  const jobs = await admin()<{ job: string }[]>`
    select job from fairlane_core.late_jobs() where is_failing
  `;
  return jobs.map(({ job }) => job);
}

/** From now on no task of this owner can be changed. */
async function breakTasksOf(owner: Owner): Promise<void> {
  await admin().unsafe(`
    create or replace function pg_temp.break() returns trigger
    language plpgsql as $$ begin raise exception 'broken'; end; $$;
    create trigger broken before update on public.tasks
      for each row when (new.user_id = '${owner.id}')
      execute function pg_temp.break();
  `);
}
