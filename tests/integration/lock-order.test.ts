import {
  afterEach,
  beforeEach,
  describe,
  expect,
  it,
  onTestFinished,
} from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import {
  admin,
  adminConnection,
  as,
  closeConnections,
  type Connection,
} from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { claim, complete, patchReset } from "../support/operations.ts";
import { resetLockWait, setLockWait } from "../support/lock-wait.ts";
import {
  blockersOf,
  deadlocks,
  pidOf,
  until,
  untilBlocked,
} from "../support/sessions.ts";
import {
  createOwner,
  createTask,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";

const ROUNDS = 5;

/** A pool, and a type of task that runs in it. */
interface Kind {
  readonly pool: string;
  readonly type: string;
}
const GPU: Kind = { pool: "gpu", type: "clip" };
const API: Kind = { pool: "api", type: "edit_image" };

beforeEach(reset);
beforeEach(() => setLockWait());
afterEach(resetLockWait);
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);
afterEach(resetClock);

describe("locks are taken in one order, so that", () => {
  it.each([null, "some-model"])(
    "a claim that sets a stale task aside waits for nobody (model: %s)",
    async (model) => {
      await admin()`
      insert into public.workers (id, status, current_model)
      values ('worker-stale', 'active', ${model})
    `;
      const owner = await createOwner();
      const stale = await createTask(owner);
      await stepClock("8 days");
      const fresh = await createTask(owner);
      const [changer, claimer] = [adminConnection(), as("service_role")];
      await changer`begin`;
      await changer`select from public.tasks where id = ${stale} for update`;

      // Whoever changes the task will ask for its user's lock, which a claim has.
      await claimer`set lock_timeout = '10s'`;
      const task = await claim(claimer, "worker-stale");
      await changer`update public.tasks set priority = 1 where id = ${stale}`;
      await changer`commit`;

      expect(task?.task_id).toBe(fresh);
      expect(await counterDrift()).toEqual([]);
    },
  );

  it("claims that end a worn out task and look on do not meet head on", async () => {
    const deadlocksBefore = await deadlocks();
    const [left, right] = [await createOwner(), await createOwner()];
    await setApiTasksPerWorker(1);
    onTestFinished(() => setApiTasksPerWorker(null));
    // Each worker ends a task of one user and can only run the other's work.
    await wornOutWorker(left, "one", GPU);
    await wornOutWorker(right, "two", API);
    const ofTwo = await createTask(left, { task_type: API.type });
    const ofOne = await createTask(right, { task_type: GPU.type });
    const holders = [await holdUser(left), await holdUser(right)];

    const [one, two] = [as("service_role"), as("service_role")];
    const pids = [await pidOf(one), await pidOf(two)];
    const [inGpu, inApi] = [GPU, API].map(({ pool }) => ({ p_run_type: pool }));
    const pending = [claim(one, "one", inGpu), claim(two, "two", inApi)];
    await Promise.all(pids.map(untilBlocked));
    await Promise.all(holders.map((holder) => holder`rollback`));

    // One that holds a user's lock waits for nobody, so it may need two polls.
    const polls = await Promise.all(pending);
    const held = [
      polls[0] ?? await claim(one, "one", inGpu),
      polls[1] ?? await claim(two, "two", inApi),
    ];
    expect(held.map((task) => task?.task_id)).toEqual([ofOne, ofTwo]);
    expect(await counterDrift()).toEqual([]);
    expect(await deadlocks([one, two])).toBe(deadlocksBefore);
  });

  it("a claim lets go of a user who has nothing for it, though it goes on to wait for another", async () => {
    const [first, second] = [await createOwner(), await createOwner()];
    const withdrawn = await createTask(first);
    await startTask(await createTask(second), "worker-of-another");
    const wanted = await createTask(second);
    const [ofFirst, ofSecond] = [await holdUser(first), await holdUser(second)];
    const [claimer, next] = [as("service_role"), adminConnection()];
    const [claiming, waiting] = [await pidOf(claimer), await pidOf(next)];

    const pending = claim(claimer, "worker");
    await untilBlocked(claiming);
    const served = serve(next, first);
    await untilBlocked(waiting);
    await ofFirst`update public.tasks set status = 'Cancelled' where id = ${withdrawn}`;
    await ofFirst`commit`;

    // Whoever comes after the claim has the user while the claim still waits.
    await served;
    await untilBlocked(claiming);
    await ofSecond`rollback`;
    expect((await pending)?.task_id).toBe(wanted);
  });

  it("a claim that has set a task aside after a wait waits for nobody else", async () => {
    const [first, second] = [await createOwner(), await createOwner()];
    const stale = await createTask(first);
    await stepClock("8 days");
    await startTask(await createTask(second), "worker-of-another");
    await createTask(second);
    const [ofFirst, ofSecond] = [await holdUser(first), await holdUser(second)];
    const claimer = as("service_role");
    const claiming = await pidOf(claimer);

    const holdsSecond = await pidOf(ofSecond);
    let isAnswered = false;
    const pending = claim(claimer, "worker").finally(() => {
      isAnswered = true;
    });
    await untilBlocked(claiming);
    expect(await blockersOf(claiming)).toEqual([await pidOf(ofFirst)]);
    await ofFirst`rollback`;

    await until(
      "the claim is answered or waits for the second user",
      async () =>
        isAnswered || (await blockersOf(claiming)).includes(holdsSecond),
    );
    expect(isAnswered).toBe(true);
    expect(await pending).toBeNull();
    await ofSecond`rollback`;
    const [row] = await admin()<{ readiness: string }[]>`
      select readiness::text from public.tasks where id = ${stale}
    `;
    expect(row?.readiness).not.toBe("ready");
  });

  it("statements over many users' tasks do not either", async () => {
    const sessions = Array.from({ length: 6 }, () => as("service_role"));
    const deadlocksBefore = await deadlocks();
    for (let round = 0; round < ROUNDS; round++) {
      await reset();
      const owners = await createOwners(12);
      const slices = await Promise.all(
        Array.from({ length: 3 }, () => startOneEach(owners)),
      );
      await Promise.all(
        sessions.map((sql, index) =>
          act(sql, index, slices[index % slices.length] ?? [], owners)
        ),
      );
      expect(await counterDrift()).toEqual([]);
    }
    expect(await deadlocks(sessions)).toBe(deadlocksBefore);
  });
});

describe("a plain reset that ends a task, and its completion", () => {
  // The one has the task and wants what waits for it, the other the reverse.
  const id = (digit: string) => `00000000-0000-4000-8000-00000000000${digit}`;
  const [waiting, task, last] = [id("a"), id("b"), id("c")] as const;
  beforeEach(() => setMaxAttempts(1));
  afterEach(() => setMaxAttempts(null));

  it("meet head on: one of them is ended, and nothing is half done", async () => {
    const { projectId } = await createOwner({ maxInProgress: 2 });
    await admin()`
      insert into public.tasks (id, task_type, project_id, dependant_on)
      select *
      from (values
        (${task}::uuid, 'clip', ${projectId}::uuid, null::uuid),
        (${last}, 'clip', ${projectId}, null),
        (${waiting}, 'film', ${projectId}, ${task})
      ) as t
    `;
    const [operator, worker] = [as("service_role"), as("service_role")];
    for (const name of ["w-1", "w-2"]) await claim(worker, name);
    const pids = [await pidOf(operator), await pidOf(worker)] as const;
    const holder = adminConnection();
    await holder`begin`;
    await holder`select from public.tasks where id = ${last} for update`;

    const ends = Promise.allSettled([
      patchReset(operator, [task, last]),
      untilBlocked(pids[0]).then(() => complete(worker, task)),
    ]);
    await untilBlocked(pids[1]);
    await holder`rollback`;

    const refused = (await ends).filter(({ status }) => status === "rejected");
    expect(refused).toMatchObject([{ reason: { code: "40P01" } }]);
    expect(await counterDrift()).toEqual([]);
    const rows = await admin()<{ ended: boolean }[]>`
      select status in ('Complete', 'Failed') as ended from public.tasks where id = ${task}
    `;
    expect([...rows]).toEqual([{ ended: true }]);
  });
});

async function setMaxAttempts(attempts: number | null): Promise<void> {
  await (attempts === null
    ? admin()`update fairlane_core.settings set max_attempts = default`
    : admin()`update fairlane_core.settings set max_attempts = ${attempts}`);
}

/** One statement over tasks of every user, or ends of single ones. */
async function act(
  sql: Connection,
  index: number,
  ids: readonly string[],
  owners: readonly Owner[],
): Promise<void> {
  if (index < 3) await patchReset(sql, ids);
  else if (index === 3) await enqueueForAll(sql, owners);
  else if (index === 4) await enqueueForAll(sql, owners.toReversed());
  else for (const id of ids.toReversed()) await complete(sql, id);
}

async function enqueueForAll(
  sql: Connection,
  owners: readonly Owner[],
): Promise<void> {
  const projects = owners.map((owner) => owner.projectId);
  await sql`
    insert into public.tasks (task_type, project_id)
    select 'clip', unnest(${projects}::uuid[])
  `;
}

/** A running task of every user; tasks of one slice share no row with another. */
async function startOneEach(owners: readonly Owner[]): Promise<string[]> {
  const ids: string[] = [];
  for (const owner of owners) {
    const id = await createTask(owner);
    await startTask(id, `worker-of-${id}`);
    ids.push(id);
  }
  return ids;
}

/** A worker that died under its name in the last start of its task. */
async function wornOutWorker(
  owner: Owner,
  name: string,
  { type }: Kind,
): Promise<void> {
  const id = await createTask(owner, { task_type: type });
  await startTask(id, name);
  await admin()`
    update public.tasks
    set attempts = 3, requeue_count = requeue_count + 1, delivered_at = now()
    where id = ${id}
  `;
}

async function setApiTasksPerWorker(limit: number | null): Promise<void> {
  await admin()`update fairlane_core.settings set api_tasks_per_worker = ${limit}`;
}

/** A transaction that serves this user and has not ended. */
async function holdUser(owner: Owner): Promise<Connection> {
  const sql = adminConnection();
  await sql`begin`;
  await sql`
    select from fairlane_core.user_slots where user_id = ${owner.id} for no key update
  `;
  return sql;
}

/** Serves this user at once, or when the one before lets go. */
async function serve(sql: Connection, owner: Owner): Promise<void> {
  await sql`
    update fairlane_core.user_slots set orchestration_limit = orchestration_limit where user_id = ${owner.id}
  `;
}

async function createOwners(count: number): Promise<Owner[]> {
  const owners: Owner[] = [];
  for (let user = 0; user < count; user++) owners.push(await createOwner());
  return owners;
}
