import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { countByState, CROWD, settleAll, writtenBy } from "../support/crowd.ts";
import { admin, adminConnection, as, closeConnections } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { claim, rpc } from "../support/operations.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  reset,
} from "../support/world.ts";

/** What a switch may write, whatever is queued. */
const FEW_ROWS = 10;
const TYPE = "type-of-the-crowd";

let owner: Owner;

beforeEach(async () => {
  await reset();
  await admin()`delete from public.task_types where name = ${TYPE}`;
  await admin()`
    insert into public.task_types (name, run_type) values (${TYPE}, 'gpu')
  `;
  owner = await createOwner({ maxInProgress: 50 });
});
afterEach(async () => {
  await reset();
  await admin()`delete from public.task_types where name = ${TYPE}`;
  await admin()`update fairlane_core.settings set default_task_limit = 5`;
  await closeConnections();
});

describe(`a type with ${CROWD} queued`, () => {
  let other: string;

  beforeEach(async () => {
    await createTasks(owner, CROWD, { task_type: TYPE });
    other = await createTask(owner, { task_type: "another" });
  });

  it("is paused in constant time, and no claim gets one of them", async () => {
    expect(await change({ is_active: false })).toBeLessThan(FEW_ROWS);
    expect(await claimable("gpu")).toBeLessThanOrEqual(1);
    const claimed = [];
    for (let n = 1; n <= CROWD / 100 + 3; n++) {
      claimed.push(await claim(as("service_role"), `worker-${n}`));
    }
    const got = claimed.filter((task) => task !== null);
    expect(got.map((task) => task.task_id)).toEqual([other]);
    await settleAll();
    expect(await claimable("gpu")).toBe(0);
    expect(await countByState()).toEqual({
      "In Progress active": 1,
      "Queued type_inactive": CROWD,
    });
    expect(await counterDrift()).toEqual([]);
  });

  it("is not handed to a worker with a model, nor to a token", async () => {
    await change({ is_active: false });
    for (let n = 1; n <= CROWD / 100 + 3; n++) {
      const worker = `worker-with-model-${n}`;
      await admin()`
        insert into public.workers (id, status, current_model)
        values (${worker}, 'active', 'some-model')
      `;
      const task = await claim(as("service_role"), worker);
      if (task !== null) expect(task.task_id).toBe(other);
    }
    expect((await countByState())["In Progress active"]).toBe(1);
  });

  it("goes on in constant time", async () => {
    await change({ is_active: false });
    await settleAll();
    expect(await change({ is_active: true })).toBeLessThan(FEW_ROWS);
    await admin()`
      update public.tasks set status = 'Cancelled' where id = ${other}
    `;
    const [late] = await admin()<{ id: string }[]>`
      select id from public.tasks where readiness = 'type_inactive' limit 1
    `;
    const told = await rpc(as("service_role"), "explain_task", {
      p_task_id: late!.id,
    });
    expect(JSON.parse(told)).toMatchObject({
      reason: "type_inactive",
      remedy: expect.stringContaining("released in turn"),
    });
    // A claim that finds nothing lets some of them go, and takes one.
    expect(await claim(as("service_role"), "worker-1")).not.toBeNull();
    await settleAll();
    expect((await countByState())["Queued ready"]).toBe(CROWD - 1);
    expect(await counterDrift()).toEqual([]);
  });

  it("changes its pool in constant time, obeyed at once", async () => {
    expect(await change({ run_type: "api" })).toBeLessThan(FEW_ROWS);
    expect(await claimable("gpu")).toBeLessThanOrEqual(1);
    // As many as claims would get there.
    expect(await claimable("api")).toBe(50);
    await admin()`select fairlane_core.settle_deferred(300)`;
    expect(await claimable("api")).toBe(50);
    const task = await claim(as("service_role"), "gpu-worker");
    expect(task?.task_id ?? other).toBe(other);
    await settleAll();
    expect(await claimable("api")).toBe(50 - (task === null ? 0 : 1));
    expect(await counterDrift()).toEqual([]);
  });

  it("changes its kind in constant time", async () => {
    expect(await change({ category: "orchestration" })).toBeLessThan(FEW_ROWS);
    await settleAll();
    expect(await counterDrift()).toEqual([]);
  });

  it("costs nothing when something else of it changes", async () => {
    expect(await change({ max_attempts: 2 })).toBeLessThanOrEqual(1);
    const [left] =
      await admin()`select count(*)::integer from fairlane_core.deferred_work`;
    expect(left).toEqual({ count: 0 });
  });

  it("may be paused and go on while the first is under way", async () => {
    await change({ is_active: false });
    await admin()`select fairlane_core.settle_deferred(300)`;
    await change({ is_active: true });
    await settleAll();
    expect((await countByState())["Queued ready"]).toBe(CROWD + 1);
    expect(await counterDrift()).toEqual([]);
  });

  function change(columns: Record<string, unknown>): Promise<number> {
    const sql = as("service_role");
    return writtenBy(
      sql,
      () =>
        sql`
        update public.task_types set ${sql(columns)} where name = ${TYPE}
      `,
    );
  }
});

describe("a type with a few hundred queued", () => {
  it("is left out of the counts exactly while it is paused", async () => {
    await createTasks(owner, 300, { task_type: TYPE });
    await createTasks(owner, 2, { task_type: "another" });
    await admin()`
      update public.task_types set is_active = false where name = ${TYPE}
    `;
    const reply = JSON.parse(
      await rpc(as("service_role"), "task_counts", { p_run_type: "gpu" }),
    );
    expect(reply.totals.queued_only).toBe(2);
    expect(reply.blocked).toEqual({ type_inactive: 300 });
    expect(reply.queued_tasks).toHaveLength(2);
    expect(reply.warnings).toContainEqual(
      expect.objectContaining({ code: "SETTLING" }),
    );
  });
});

describe("the default limit", () => {
  it("changes in constant time, and for everybody by and by", async () => {
    await admin()`
      insert into public.users (id, credits)
      select gen_random_uuid(), 1 from generate_series(1, ${CROWD})
    `;
    const rows = await writtenBy(
      adminConnection(),
      (sql) => sql`update fairlane_core.settings set default_task_limit = 7`,
    );
    expect(rows).toBeLessThan(310);
    await settleAll();
    const limits = await admin()`
      select task_limit, count(*)::integer from fairlane_core.user_slots
      group by task_limit order by task_limit
    `;
    expect(limits).toEqual([
      { task_limit: 7, count: CROWD },
      { task_limit: 50, count: 1 },
    ]);
  });
});

async function claimable(pool: string): Promise<number> {
  const reply = await rpc(as("service_role"), "task_counts", {
    p_run_type: pool,
  });
  return JSON.parse(reply).totals.queued_only;
}
