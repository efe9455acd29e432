import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CreateReply } from "../../shared/create.ts";
import {
  admin,
  adminConnection,
  as,
  closeConnections,
  type Connection,
} from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { resetLockWait, setLockWait } from "../support/lock-wait.ts";
import { type Arguments, complete, rpc } from "../support/operations.ts";
import { deadlocks, pidOf, untilBlocked } from "../support/sessions.ts";
import {
  asOwner,
  createOwner,
  createTask,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

const ID = "00000000-0000-4000-8000-0000000000c1";
const OTHER_ID = "00000000-0000-4000-8000-0000000000c2";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});
beforeEach(() => setLockWait());
afterEach(resetLockWait);
// A transaction that a failed test left open would block the next reset.
afterEach(async () => {
  await closeConnections();
  await admin()`update fairlane_core.settings set max_queued_per_user = default`;
});

describe("create_task() twice at once", () => {
  it("under the same id: one task, both told of it", async () => {
    const [first, second] = await interleave(
      (sql) => create(sql, { task_id: ID }),
      (sql) => create(sql, { task_id: ID }),
    );
    expect(first).toMatchObject({ task_id: ID, created: true });
    expect(second).toMatchObject({ task_id: ID, created: false });
    expect(await count()).toBe(1);
  });

  it("under the same key: one task, both told of it", async () => {
    const key = { idempotency_key: "order-7" };
    const [first, second] = await interleave(
      (sql) => create(sql, { task_id: ID, ...key }),
      (sql) => create(sql, { task_id: OTHER_ID, ...key }),
    );
    expect(first).toMatchObject({ task_id: ID, created: true });
    expect(second).toMatchObject({ task_id: ID, created: false });
    expect(await count()).toBe(1);
  });

  it("of the same id by two owners: the second is refused", async () => {
    const other = await createOwner();
    const [, second] = await interleave(
      (sql) => create(sql, { task_id: ID }),
      (sql) =>
        create(sql, { task_id: ID, project: other.projectId })
          .catch((error) => error.detail),
    );
    expect(second).toBe("TASK_ID_TAKEN");
    expect(await count()).toBe(1);
  });

  it("after a plain insert of the same id: the function answers it", async () => {
    const [, second] = await interleave(
      (sql) =>
        sql`
          insert into public.tasks (id, task_type, project_id)
          values (${ID}, 'test', ${owner.projectId})
        `,
      (sql) => create(sql, { task_id: ID }),
    );
    expect(second).toMatchObject({ task_id: ID, created: false });
  });

  it("when the first gives up: the second enqueues", async () => {
    const [one, two] = [adminConnection(), adminConnection()];
    await one`begin`;
    await create(one, { task_id: ID });
    const pid = await pidOf(two);
    const pending = create(two, { task_id: ID });
    await untilBlocked(pid);
    await one`rollback`;
    expect(await pending).toMatchObject({ task_id: ID, created: true });
  });
});

describe("create_tasks() in batches at once", () => {
  it("with the same ids and keys crosswise: no deadlock, each task once", async () => {
    const before = await deadlocks();
    const sessions = Array.from({ length: 8 }, () => as("service_role"));
    const places = Array.from({ length: 20 }, (_, place) => place);
    await Promise.all(sessions.map((sql, turn) => {
      const order = turn % 2 === 0 ? places : places.toReversed();
      return rpc(sql, "create_tasks", {
        p_tasks: order.map((place) => ({
          ...(turn < 4 ? { task_id: idOf(place) } : {}),
          idempotency_key: `order-${place}`,
          task_type: "test",
          project: owner.projectId,
        })),
      });
    }));
    expect(await deadlocks(sessions)).toBe(before);
    expect(await count()).toBe(places.length);
    expect(await counterDrift()).toEqual([]);
  });
});

describe("create_task() at once with the end of", () => {
  it("a second dependency: it is ready afterwards", async () => {
    const [done, running] = [await createTask(owner), await createTask(owner)];
    for (const id of [done, running]) await startTask(id);
    await complete(admin(), done);
    await interleave(
      (sql) => create(sql, { task_id: ID, depends_on: [done, running] }),
      (sql) => complete(sql, running),
    );
    expect(await readTask(ID)).toMatchObject({ readiness: "ready" });
  });

  it("a second dependency, which comes first: it is ready too", async () => {
    const [done, running] = [await createTask(owner), await createTask(owner)];
    for (const id of [done, running]) await startTask(id);
    await complete(admin(), done);
    await interleave(
      (sql) => complete(sql, running),
      (sql) => create(sql, { task_id: ID, depends_on: [done, running] }),
    );
    expect(await readTask(ID)).toMatchObject({ readiness: "ready" });
  });
});

describe("an owner whom nobody has seen", () => {
  const user_id = "00000000-0000-4000-8000-0000000000f1";
  const FIRST = {
    "create_task()": (sql: Connection) =>
      create(sql, { project: null, user_id }),
    "a plain insert": async (sql: Connection) =>
      await sql`insert into public.tasks (task_type, user_id) values ('test', ${user_id})`,
    "a project": async (sql: Connection) =>
      await sql`insert into public.projects (user_id, name) values (${user_id}, 'p')`,
  };
  beforeEach(async () => {
    await admin()`update fairlane_core.settings set registers_owners = true`;
  });
  afterEach(async () => {
    await closeConnections();
    await admin()`update fairlane_core.settings set registers_owners = default`;
  });

  it.each(
    [
      ["create_task()", "create_task()"],
      ["create_task()", "a plain insert"],
      ["a plain insert", "create_task()"],
      ["a project", "create_task()"],
    ] as const,
  )("comes with %s and %s at once: one row", async (one, two) => {
    await interleave<unknown, unknown>(FIRST[one], FIRST[two]);
    expect(await admin()`select from public.users where id = ${user_id}`)
      .toHaveLength(1);
    expect(await count()).toBe(one === "a project" ? 1 : 2);
  });
});

describe("the bound", () => {
  it.each(["create_task()", "plain inserts"])(
    "is exact with 8 sessions of %s",
    async (way) => {
      await admin()`update fairlane_core.settings set max_queued_per_user = 10`;
      const caller = { kind: "user", user_id: owner.id };
      const sessions = Array.from(
        { length: 8 },
        () => way === "create_task()" ? as("service_role") : asOwner(owner),
      );
      const enqueue = (sql: Connection) =>
        way === "create_task()" ? create(sql, {}, { p_caller: caller }) : sql`
            insert into public.tasks (task_type, project_id)
            values ('test', ${owner.projectId})
          `;
      const refusals = await Promise.all(sessions.map(async (sql) => {
        let refused = 0;
        for (let turn = 0; turn < 5; turn++) {
          await enqueue(sql).catch((error) => {
            expect(error).toMatchObject({
              code: "PT429",
              detail: "QUEUE_FULL",
            });
            refused++;
          });
        }
        return refused;
      }));
      expect(await count()).toBe(10);
      expect(refusals.reduce((sum, each) => sum + each)).toBe(30);
      expect(await counterDrift()).toEqual([]);
    },
  );
});

async function create(
  sql: Connection,
  task: Readonly<Record<string, unknown>>,
  args: Arguments = {},
): Promise<CreateReply> {
  const p_task = { task_type: "test", project: owner.projectId, ...task };
  return CreateReply.parse(
    JSON.parse(await rpc(sql, "create_task", { p_task, ...args })),
  );
}

/** Runs the second while the first is done but not yet committed. */
async function interleave<A, B>(
  first: (sql: Connection) => Promise<A>,
  second: (sql: Connection) => Promise<B>,
): Promise<[A, B]> {
  const before = await deadlocks();
  const [one, two] = [adminConnection(), adminConnection()];
  const pid = await pidOf(two);
  await one`begin`;
  const a = await first(one);
  const pending = second(two);
  await untilBlocked(pid);
  await one`commit`;
  const b = await pending;
  expect(await deadlocks([one, two])).toBe(before);
  expect(await counterDrift()).toEqual([]);
  return [a, b];
}

async function count(): Promise<number | undefined> {
  const [row] = await admin()<{ count: number }[]>`
    select count(*)::integer as count from public.tasks
  `;
  return row?.count;
}

function idOf(place: number): string {
  return `00000000-0000-4000-8000-${String(place).padStart(12, "0")}`;
}
