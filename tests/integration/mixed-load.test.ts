import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Chance } from "../support/chance.ts";
import { admin, as, type Connection } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import {
  changeLimit,
  illegalStarts,
  type LimitChange,
} from "../support/history.ts";
import { resetLockWait, setLockWait } from "../support/lock-wait.ts";
import { claim, patchReset, rpc } from "../support/operations.ts";
import { deadlocks } from "../support/sessions.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  reset,
} from "../support/world.ts";
import { SimulatedWorker } from "./simulated-worker.ts";

const WORKERS = 16;
const STEPS = 120;
const USERS = 6;
const FIRST_LIMIT = 4;
const SEED = 20_251_016;
const GPU_TYPES = ["clip", "film_orchestrator", "unheard_of"];

beforeEach(reset);
// A crowd on few cores may hold an owner for longer than a claim would wait.
beforeEach(() => setLockWait());
afterEach(resetLockWait);
// A plain reset that ends a task, because it was its last attempt, needs the task's dependents after the task itself; a
// completion that has them already may deadlock with it, and be repeated (docs/architecture.md, "Lock order").
beforeEach(async () => {
  await admin()`update fairlane_core.settings set max_attempts = 100`;
});
afterEach(async () => {
  await admin()`update fairlane_core.settings set max_attempts = default`;
});

describe("claim, complete, reset and limit changes at once", () => {
  it("keep every promise and every counter", async () => {
    const chance = new Chance(SEED);
    const owners = await createUsers();
    const sessions = Array.from(
      { length: WORKERS },
      () => as("service_role"),
    );
    const [operator, enqueuer] = [as("service_role"), as("service_role")];
    const deadlocksBefore = await deadlocks();
    const limits: LimitChange[] = [];

    const actors = [
      ...sessions.map((sql, index) => {
        const pool = index % 4 === 0 ? "api" : "gpu";
        const worker = new SimulatedWorker(sql, `w${index}`, chance, pool);
        return () => worker.step();
      }),
      () => resetSome(operator, chance),
      () => enqueue(enqueuer, owners, chance),
      async () => {
        const limit = 1 + Math.floor(chance.next() * 7);
        limits.push(await changeLimit(chance.pick(owners).id, limit));
      },
    ];
    const errors = await runAll(actors);

    expect(errors).toEqual([]);
    expect(await deadlocks([...sessions, operator, enqueuer]))
      .toBe(deadlocksBefore);
    expect(await counterDrift()).toEqual([]);
    expect(await illegalStarts(FIRST_LIMIT, limits)).toEqual([]);
    expect(await tornResults()).toEqual([]);
    expect(await claimAll(operator)).toBe(0);
  });
});

async function createUsers(): Promise<Owner[]> {
  const owners: Owner[] = [];
  for (let user = 0; user < USERS; user++) {
    const owner = await createOwner({ maxInProgress: FIRST_LIMIT });
    for (const task_type of [...GPU_TYPES, "edit_image"]) {
      await createTasks(owner, 10, { task_type });
    }
    owners.push(owner);
  }
  return owners;
}

/** All actors at once, each one step after the other; what went wrong. */
async function runAll(
  actors: readonly (() => Promise<void>)[],
): Promise<string[]> {
  const errors: string[] = [];
  await Promise.all(actors.map(async (act) => {
    for (let step = 0; step < STEPS; step++) {
      await act().catch((error: unknown) => errors.push(String(error)));
    }
  }));
  return errors;
}

/** As orchestrators do it: read ids, then reset them whatever they are now. */
async function resetSome(sql: Connection, chance: Chance): Promise<void> {
  const rows = await sql<{ id: string }[]>`
    select id from public.tasks where status = 'In Progress'
  `;
  const ids = rows.map((row) => row.id).filter(() => chance.next() < 0.2);
  await patchReset(sql, ids);
}

async function enqueue(
  sql: Connection,
  owners: readonly Owner[],
  chance: Chance,
): Promise<void> {
  const owner = chance.pick(owners);
  const first = await createTask(owner, { task_type: chance.pick(GPU_TYPES) });
  await sql`
    insert into public.tasks (task_type, project_id, dependant_on)
    values ('film', ${owner.projectId}, ${first})
  `;
}

/** Complete tasks whose result record is missing or says something else. */
async function tornResults(): Promise<unknown[]> {
  return [
    ...await admin()`
    select t.id, t.output_location, g.location
    from public.tasks as t
      full join public.generations as g on g.task_id = t.id
    where (t.status = 'Complete' and t.generation_created) <> (g.id is not null)
      or t.output_location is distinct from g.location and g.id is not null
  `,
  ];
}

/**
 * How far the count is from the number of claims that find something.
 * Orchestration needs a free slot and takes none, so how much of it claims can
 * reach depends on the order; it is set aside.
 */
async function claimAll(sql: Connection): Promise<number> {
  await sql`
    update public.tasks
    set status = 'Cancelled'
    where task_type = 'film_orchestrator' and status = 'Queued'
  `;
  const reply = await rpc(sql, "task_counts", { p_run_type: "gpu" });
  const expected: number = JSON.parse(reply).totals.queued_only;
  let claimed = 0;
  while (claimed <= expected && await claim(sql, `last-${claimed}`)) claimed++;
  return claimed - expected;
}
