/** What very many tasks of one owner, that time has overtaken, cost others. */
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
} from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin, type Connection } from "../support/db.ts";
import { claim, rpc } from "../support/operations.ts";
import { size } from "../support/size.ts";
import {
  createOwner,
  createTasks,
  type Owner,
  type TaskColumns,
} from "../support/world.ts";
import { CountsReply } from "../../shared/counts.ts";
import { type Explained, ExplainedSession } from "./explained-session.ts";
import { emptyAfter, letAutovacuum, SOME_LYING, warmUp } from "./plan-world.ts";

const MANY = size(13_000, 100_000);
/** As many are looked at to count them, and to list some, with room. */
const COUNTED = 11_500;
/** Pages of a table or an index that a row costs, with room. */
const PAGES_A_ROW = 2;

let session: ExplainedSession;
let owner: Owner;

beforeAll(() => letAutovacuum(false));
afterAll(() => letAutovacuum(true));
afterEach(async () => {
  await session.end();
  await resetClock();
});

async function begin(columns: TaskColumns = {}): Promise<void> {
  session = new ExplainedSession();
  await warmUp(session.sql);
  owner = await createOwner({ maxInProgress: 3 });
  for (let left = MANY; left > 0; left -= 10_000) {
    await createTasks(owner, Math.min(left, 10_000), columns);
  }
}

/** The first or the last of the owner's line. */
async function inLine(end: "first" | "last"): Promise<string> {
  const order = admin().unsafe(end === "first" ? "asc" : "desc");
  const [task] = await admin()<{ id: string }[]>`
    select id from public.tasks where user_id = ${owner.id}
    order by created_at ${order}, id ${order} limit 1
  `;
  if (task === undefined) throw new Error("The owner has no task");
  return task.id;
}

async function claimable(
  p_caller: Readonly<Record<string, string>> = { kind: "service" },
): Promise<number> {
  const reply = await rpc(admin(), "task_counts", {
    p_run_type: "gpu",
    p_caller,
  });
  return CountsReply.parse(JSON.parse(reply)).totals.queued_only;
}

function counts(sql: Connection): Promise<string> {
  return rpc(sql, "task_counts", { p_run_type: "gpu" });
}

/** How many are said to stand before a task, and what that cost. */
async function explain(end: "first" | "last"): Promise<
  { ahead: number; explained: Explained }
> {
  const p_task_id = await inLine(end);
  const explained = await session.explain((sql) =>
    rpc(sql, "explain_task", { p_task_id })
  );
  const { tasks_ahead } = JSON.parse(explained.result) as {
    tasks_ahead: number;
  };
  return { ahead: tasks_ahead, explained };
}

/** In `npm test` those that have found something here. */
const STATISTICS = size(0, 1) === 1 ? SOME_LYING : SOME_LYING.slice(0, 1);

describe.each(STATISTICS)("with the statistics of %s", (statistics) => {
  beforeEach(() => emptyAfter(statistics));

  describe(`with ${MANY} tasks of one owner that grow stale at once`, () => {
    it("counts, a dry run and explain_worker look at ten thousand, and promise nothing of them", async () => {
      await begin();
      await stepClock("8 days");
      expect(await claimable()).toBe(0);
      expect(await claimable({ kind: "user", user_id: owner.id })).toBe(0);
      for (
        const call of [
          counts,
          (sql: Connection) =>
            rpc(sql, "task_counts", {
              p_run_type: "gpu",
              p_caller: { kind: "user", user_id: owner.id },
            }),
          (sql: Connection) =>
            rpc(sql, "claim_next_task", { p_worker_id: "w", p_dry_run: true }),
          (sql: Connection) =>
            rpc(sql, "explain_worker", { p_worker_id: "w", p_run_type: "gpu" }),
        ]
      ) {
        expectFew(await session.explain<unknown>(call));
      }
    });
  });

  describe(`with ${MANY} stale tasks of one owner, and fresh ones`, () => {
    it("counts promise what is fresh, the owner's and others', and claims find it", async () => {
      await begin();
      await stepClock("8 days");
      // Behind all that is stale, and in the middle of it.
      const fresh = [
        ...await createTasks(owner, 2),
        ...await createTasks(owner, 1, { priority: -1 }),
      ];
      const honest = await createOwner({ maxInProgress: 2 });
      const others = await createTasks(honest, 20);

      const counted = await session.explain(counts);
      expectFew(counted);
      expect(CountsReply.parse(JSON.parse(counted.result)).totals.queued_only)
        .toBe(3 + 2);
      expect(await claimable({ kind: "user", user_id: owner.id })).toBe(3);
      expect(await claimable({ kind: "user", user_id: honest.id })).toBe(2);

      const got: string[] = [];
      for (let turn = 0; turn < 10; turn++) {
        const claimed = await session.explain((sql) => claim(sql, `w-${turn}`));
        expectFew(claimed);
        if (claimed.result !== null) got.push(claimed.result.task_id);
      }
      expect(got).toHaveLength(5);
      expect(got).toEqual(expect.arrayContaining(fresh));
      expect(others).toEqual(
        expect.arrayContaining(got.filter((id) => !fresh.includes(id))),
      );
      expect(await claimable()).toBe(0);
    });

    it("a claim sets aside only what is in its way", async () => {
      await begin();
      await stepClock("8 days");
      await admin()`
      update public.tasks set available_at = fairlane_core.now()
      where user_id = ${owner.id}
        and id <> (
          select id from public.tasks where user_id = ${owner.id}
          order by created_at, id limit 1
        )
    `;
      const [, second] = await admin()<{ id: string }[]>`
      select id from public.tasks where user_id = ${owner.id}
      order by created_at, id limit 2
    `;
      const claimed = await session.explain((sql) => claim(sql, "w"));
      expect(claimed.result?.task_id).toBe(second?.id);
      expectFew(claimed);
      const found = await admin()<{ readiness: string; count: number }[]>`
      select readiness, count(*)::integer as count
      from public.tasks
      where user_id = ${owner.id}
      group by 1
      order by 1
    `;
      expect([...found]).toEqual([
        { readiness: "active", count: 1 },
        { readiness: "ready", count: MANY - 2 },
        { readiness: "stale", count: 1 },
      ]);
    });
  });

  describe(`with ${MANY} tasks of one owner that fall due at once`, () => {
    it("explain_task and explain_worker look at ten thousand", async () => {
      const [row] = await admin()<{ at: string }[]>`
      select (fairlane_core.now() + interval '1 minute')::text as at
    `;
      await begin({ available_at: row?.at });
      await stepClock("2 minutes");
      expectFew((await explain("last")).explained);
      expectFew((await explain("first")).explained);
      expectFew(
        await session.explain<unknown>((sql) =>
          rpc(sql, "explain_worker", { p_worker_id: "w", p_run_type: "gpu" })
        ),
      );
    });
  });

  describe(`with ${MANY} ready tasks of one owner`, () => {
    it("explain_task reads nothing of what is behind a task", async () => {
      await begin();
      const first = await explain("first");
      expect(first.ahead).toBe(0);
      expect(tasksRead(first.explained)).toBeLessThan(10);
      const last = await explain("last");
      expect(last.ahead).toBe(10_000);
      expectFew(last.explained);
    });
  });
});

function expectFew(explained: Explained): void {
  expect(tasksRead(explained)).toBeLessThanOrEqual(COUNTED);
  expect(explained.buffers).toBeLessThanOrEqual(PAGES_A_ROW * COUNTED);
}

/** How many rows of tasks were looked at. */
function tasksRead({ nodes }: Explained): number {
  return nodes
    .filter(({ table = "" }) => /^tasks(_|$)/.test(table))
    .reduce((sum, { rows }) => sum + rows, 0);
}
