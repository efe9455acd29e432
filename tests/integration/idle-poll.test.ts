import { beforeEach, describe, expect, it } from "vitest";
import { admin, as } from "../support/db.ts";
import { type Arguments, rpc } from "../support/operations.ts";
import {
  createOwner,
  createTask,
  createTasks,
  createToken,
  reset,
  startTask,
} from "../support/world.ts";
import { tokenCaller } from "./token-caller.ts";
import { switches } from "../support/fleet-words.ts";

beforeEach(reset);

describe("claim_next_task() that finds nothing", () => {
  it("writes nothing when the queue is empty", async () => {
    await expectNothingWritten();
  });

  it("writes nothing when everything waits for a reason", async () => {
    const poor = await createOwner({ credits: 0 });
    await createTasks(poor, 3);
    const full = await createOwner({ maxInProgress: 1 });
    await startTask(await createTask(full));
    await createTasks(full, 3);
    const off = await createOwner({
      settings: switches(false),
    });
    await createTasks(off, 3);
    const owner = await createOwner();
    await createTask(owner, { available_at: "2100-01-01T00:00:00Z" });
    await createTask(owner, { created_at: "2025-08-12T15:06:09Z" });
    await createTask(owner, { dependant_on: crypto.randomUUID() });
    await createTask(owner, { task_type: "edit_image" });
    await expectNothingWritten();
  });

  it.each([[0, 3], [5, 0]])(
    "writes nothing for a token with limit %i and %i tasks",
    async (maxInProgress, tasks) => {
      const owner = await createOwner({ maxInProgress });
      await createTasks(owner, tasks);
      const p_caller = tokenCaller(await createToken(owner));
      await expectNothingWritten({ p_caller });
    },
  );

  it("writes nothing when it names itself or its model", async () => {
    await admin()`
      insert into public.workers (id, status, current_model)
      values ('worker-idle', 'active', 'some-model')
    `;
    const poor = await createOwner({ credits: 0 });
    await createTask(poor, { params: { model: "another" } });
    await createTask(poor, { params: { model: "some-model" } });
    await expectNothingWritten({ p_same_model_only: true });
    await expectNothingWritten({
      p_same_model_only: true,
      p_claim_id: "idle-claim",
    });
  });

  it("writes nothing as a dry run, though there is work", async () => {
    await createTask(await createOwner());
    await expectNothingWritten({ p_dry_run: true });
  });
});

/** What a poll may not do: take a transaction id, or change a row anywhere. */
async function expectNothingWritten(args: Arguments = {}): Promise<void> {
  const sql = as("service_role");
  await sql`select 1`;
  const before = await changedRows();
  await sql`begin`;
  const reply = JSON.parse(
    await rpc(sql, "claim_next_task", { p_worker_id: "worker-idle", ...args }),
  );
  const [row] = await sql<{ xid: string | null }[]>`
    select pg_current_xact_id_if_assigned()::text as xid
  `;
  await sql`commit`;
  await sql`select pg_stat_force_next_flush()`;
  expect(reply?.task_id, "the task of an idle poll").toBeUndefined();
  expect(row?.xid, "the transaction id of an idle poll").toBeNull();
  expect(await changedRows()).toEqual(before);
}

/** Rows ever inserted, updated and deleted, catalogs included. */
async function changedRows(): Promise<unknown> {
  await admin()`select pg_stat_force_next_flush()`;
  const [row] = await admin()`
    select
      sum(n_tup_ins)::text as inserted,
      sum(n_tup_upd)::text as updated,
      sum(n_tup_del)::text as deleted
    from pg_catalog.pg_stat_all_tables
    where schemaname in ('public', 'fairlane_core', 'pg_catalog')
  `;
  return row;
}
