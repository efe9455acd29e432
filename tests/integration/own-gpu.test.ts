import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
} from "vitest";
import { admin, as, type Connection } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { holdTasks, isOpen } from "../support/holding.ts";
import { resetLockWait, setLockWait } from "../support/lock-wait.ts";
import { claim, rpc } from "../support/operations.ts";
import { size } from "../support/size.ts";
import {
  createOwner,
  createTasks,
  createToken,
  type Owner,
  reset,
} from "../support/world.ts";
import { type Explained, ExplainedSession } from "./explained-session.ts";
import { analyze, emptyAfter, letAutovacuum, TURNS } from "./plan-world.ts";
import { tokenCaller } from "./token-caller.ts";

// What GPU machines of an owner run of other pools: found and counted through an
// index of its own, whatever else waits there.

const TASKS = size(3_000, 10_000);
/** Pages of a poll: some steps into indexes, however much waits. */
const PAGES = 400;
/** What is counted of one line at most. */
const MOST = 1_000;

describe("two machines of one token that claim at once", () => {
  beforeEach(reset);
  afterEach(resetLockWait);

  it("get a task each, and each task once, up to the limit", async () => {
    await setLockWait(); // each waits for the other
    const owner = await createOwner({ maxInProgress: 4 });
    const p_caller = tokenCaller(await createToken(owner));
    await createTasks(owner, 3, { task_type: "draw_image" });
    await createTasks(owner, 3);
    const machines = [as("service_role"), as("service_role")];
    const got: string[] = [];
    for (let round = 0; round < 3; round++) {
      const claimed = await Promise.all(
        machines.map((sql, index) =>
          claim(sql, `machine-${round}-${index}`, { p_caller })
        ),
      );
      got.push(...claimed.flatMap((task) => task?.task_id ?? []));
    }
    expect(got).toHaveLength(4);
    expect(new Set(got).size).toBe(4);
    expect(await counterDrift()).toEqual([]);
  });

  it("pass over an image that somebody is just changing", async () => {
    const owner = await createOwner();
    const p_caller = tokenCaller(await createToken(owner));
    const [first = ""] = await createTasks(owner, 1, {
      task_type: "draw_image",
    });
    const [second] = await createTasks(owner, 1, { task_type: "draw_image" });
    const [clip] = await createTasks(owner, 1);
    const holder = await holdTasks(first);
    const sql = as("service_role");
    expect((await claim(sql, "one", { p_caller }))?.task_id).toBe(second);
    expect((await claim(sql, "two", { p_caller }))?.task_id).toBe(clip);
    expect(await claim(sql, "three", { p_caller })).toBeNull();
    expect(await isOpen(holder)).toBe(true);
    await holder`rollback`;
    expect((await claim(sql, "three", { p_caller }))?.task_id).toBe(first);
  });
});

describe.each(["an old session", "a new session"])("in %s", (kind) => {
  let session: ExplainedSession;
  let owner: Owner;
  let p_caller: ReturnType<typeof tokenCaller>;

  // The statistics stay those of an empty queue, however much comes.
  beforeAll(() => letAutovacuum(false));
  afterAll(() => letAutovacuum(true));
  beforeEach(async () => {
    await emptyAfter("a queue that one user had filled");
    owner = await createOwner();
    p_caller = tokenCaller(await createToken(owner));
    session = new ExplainedSession();
    if (kind === "an old session") await warmUp(session.sql);
    return () => session.end();
  });

  it("an idle poll reads none of the tasks that others run", async () => {
    await createTasks(owner, TASKS, { task_type: "animate" });
    if (kind === "a new session") await warmUp(session.sql);
    const done = await session.explain(poll);
    expect(done.result).toBe("null");
    expect(looked(done)).toBeLessThan(TASKS / 10);
    expect(done.buffers).toBeLessThan(PAGES);
  });

  it.each(["limit", "pause", "dependency"])(
    "an idle poll looks at few images that wait for a %s",
    async (reason) => {
      await createTasks(owner, TASKS, {
        task_type: "draw_image",
        ...(reason === "dependency"
          ? { dependant_on: crypto.randomUUID() }
          : {}),
      });
      if (reason === "limit") {
        await admin()`
          update public.users set max_in_progress = 0 where id = ${owner.id}
        `;
      }
      if (kind === "a new session") await warmUp(session.sql);
      await analyze();
      if (reason === "pause") await pause("{api}");
      try {
        const done = await session.explain(poll);
        expect(done.result).toBe("null");
        expect(looked(done)).toBeLessThanOrEqual(2 * MOST);
      } finally {
        await pause("{}");
      }
    },
  );

  it("a claim takes an image from the queue, and counts read a bounded part", async () => {
    await createTasks(owner, TASKS, { task_type: "draw_image" });
    if (kind === "a new session") await warmUp(session.sql);
    const claimed = await session.explain(poll);
    expect(JSON.parse(claimed.result)).toMatchObject({
      task_type: "draw_image",
    });
    expect(looked(claimed)).toBeLessThan(100);
    const counted = await session.explain((sql) =>
      rpc(sql, "task_counts", { p_caller, p_run_type: "gpu" })
    );
    expect(JSON.parse(counted.result)).toMatchObject({
      totals: { queued_only: 4, active_only: 1 },
      blocked: { user_at_limit: MOST - 4 },
    });
    expect(looked(counted)).toBeLessThanOrEqual(4 * MOST);
  });

  function poll(sql: Connection): Promise<string> {
    return rpc(sql, "claim_next_task", { p_caller, p_worker_id: "mac" });
  }

  async function warmUp(sql: Connection): Promise<void> {
    const other = tokenCaller(await createToken(await createOwner()));
    for (let turn = 0; turn < TURNS; turn++) {
      const args = { p_caller: other, p_worker_id: "early" };
      await rpc(sql, "claim_next_task", args);
      await rpc(sql, "task_counts", { p_caller: other, p_run_type: "gpu" });
    }
  }
});

async function pause(pools: string): Promise<void> {
  await admin()`update fairlane_core.settings set paused_pools = ${pools}::text[]`;
}

/** How many tasks all statements of a call together looked at. */
function looked({ nodes }: Explained): number {
  return nodes
    .filter(({ table, index }) =>
      table === "tasks" || index?.startsWith("tasks_")
    )
    .reduce((sum, { rows }) => sum + rows, 0);
}
