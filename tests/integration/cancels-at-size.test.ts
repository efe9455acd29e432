/**
 * Many tasks cancelled by one caller: each call is as much as its limit says,
 * whatever is queued, has ended or hangs on what it cancels.
 */
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
} from "vitest";
import { countByState, CROWD, settleAll, touchedBy } from "../support/crowd.ts";
import { admin, adminConnection, as, closeConnections } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { report, rpc } from "../support/operations.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";
import { childOf } from "../support/fleet-words.ts";

/** What one call takes. */
const LIMIT = 100;
/** What it may write and read for each of them. */
const WRITTEN_EACH = 6;
const READ_EACH = 25;

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner({ maxInProgress: 5 });
});
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

describe(`${CROWD} queued tasks`, () => {
  it("of one owner are cancelled, as many a call as its limit says", async () => {
    await createTasks(owner, CROWD);
    await cancelsAll({ user_id: owner.id });
    expect(await countByState()).toEqual({ Cancelled: CROWD });
  });

  it("of one orchestrator are, and it stays", async () => {
    const orchestrator = await createTask(owner, {
      task_type: "film_orchestrator",
    });
    await createTasks(owner, CROWD, {
      params: childOf(orchestrator),
    });
    await cancelsAll({ orchestrator_task_id: orchestrator });
    expect(await countByState()).toEqual({
      Cancelled: CROWD,
      "Queued ready": 1,
    });
  });

  it("that wait for a few which are cancelled follow by themselves", async () => {
    const parents = await createTasks(owner, 10);
    for (const dependant_on of parents) {
      await createTasks(owner, CROWD / 10, { dependant_on });
    }
    const { written } = await cancel({ task_ids: parents });
    expect(written).toBeLessThan(10 * WRITTEN_EACH * 2);
    await settleAll();
    expect(await countByState()).toEqual({ Cancelled: CROWD + 10 });
    expect(await counterDrift()).toEqual([]);
  });

  it("of orchestrators that are cancelled together follow by themselves", async () => {
    const parents = await createTasks(owner, 10, {
      task_type: "film_orchestrator",
    });
    for (const parent of parents) {
      await createTasks(owner, CROWD / 10, {
        params: childOf(parent),
      });
    }
    const { written } = await cancel({ task_ids: parents });
    expect(written).toBeLessThan(10 * WRITTEN_EACH * 2);
    await settleAll();
    expect(await countByState()).toEqual({ Cancelled: CROWD + 10 });
    expect(await counterDrift()).toEqual([]);
  });
});

describe("what an orchestrator leaves to later", () => {
  // Autovacuum that looks while the children are being stored finds pages
  // without rows, and plans go by that.
  const tables = [
    "public.tasks",
    "fairlane_core.subtasks",
    "fairlane_core.orchestrations",
  ];
  const set = async (words: string) => {
    for (const table of tables) {
      await admin().unsafe(`alter table ${table} ${words}`);
    }
  };
  beforeAll(() => set("set (autovacuum_enabled = off)"));
  afterAll(() => set("reset (autovacuum_enabled)"));

  it.each(["Cancelled", "Failed"])(
    "is read in pieces, under statistics of a queue that was emptied: it was %s",
    async (status) => {
      const read: number[] = [];
      for (const children of [CROWD, 4 * CROWD]) {
        await reset();
        owner = await createOwner({ maxInProgress: 5 });
        await emptyFamilies();
        const orchestrator = await createTask(owner, {
          task_type: "film_orchestrator",
        });
        await startTask(orchestrator);
        await createTasks(owner, children, {
          params: childOf(orchestrator),
        });
        const sessions = [as("service_role"), adminConnection()] as const;
        const first = await touchedBy(
          sessions[0],
          (sql) => report(sql, orchestrator, status),
        );
        const piece = await touchedBy(
          sessions[1],
          (sql) => sql`select fairlane_core.settle_deferred()`,
        );
        read.push(first.read, piece.read);
        // A piece is done, and the rest is left.
        const { [status]: ended = 0, ...left } = await countByState();
        expect(ended).toBeGreaterThan(1);
        expect(ended).toBeLessThan(children);
        expect(left).toEqual({ "Queued ready": children + 1 - ended });
        for (const session of sessions) await session.end();
      }
      const [first = 0, piece = 0, ofMore = 0, pieceOfMore = 0] = read;
      expect(ofMore - first).toBeLessThan(CROWD / 2);
      expect(pieceOfMore - piece).toBeLessThan(CROWD / 2);
    },
  );
});

/**
 * Families that went, row by row, and were analyzed before a vacuum: to the
 * planner their table and its indexes stay empty, however much comes next.
 */
async function emptyFamilies(): Promise<void> {
  const gone = await createTask(owner, { task_type: "film_orchestrator" });
  await createTasks(owner, 100, { params: childOf(gone) });
  await admin()`delete from public.tasks`;
  await admin()`analyze fairlane_core.subtasks, fairlane_core.orchestrations`;
}

/** Calls until nothing is left: each within its bounds. */
async function cancelsAll(filter: Record<string, unknown>): Promise<void> {
  let hasMore = true;
  for (let calls = 0; hasMore; calls++) {
    expect(calls).toBeLessThanOrEqual(CROWD / LIMIT);
    const { reply, written, read } = await cancel(filter);
    expect(written).toBeLessThan(LIMIT * WRITTEN_EACH);
    expect(read).toBeLessThan(LIMIT * READ_EACH);
    expect(reply.cancelled).toBe(LIMIT);
    hasMore = reply.has_more;
  }
  expect(await counterDrift()).toEqual([]);
}

/** One call, in a session of its own. */
async function cancel(filter: Record<string, unknown>) {
  let text = "";
  const session = as("service_role");
  const touched = await touchedBy(session, async (sql) => {
    text = await rpc(sql, "cancel_tasks", {
      p_filter: filter,
      p_limit: LIMIT,
      p_reason: "no longer wanted",
    });
  });
  await session.end();
  const reply = JSON.parse(text) as { cancelled: number; has_more: boolean };
  return { reply, ...touched };
}
