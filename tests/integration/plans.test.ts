import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { admin, type Connection } from "../support/db.ts";
import { claim } from "../support/operations.ts";
import { createOwner, createTasks, reset } from "../support/world.ts";
import {
  type Explained,
  ExplainedSession,
  type PlanNode,
} from "./explained-session.ts";

const FEW = 200;
const MANY = 20_000;
const USERS = 10;
const CLAIMS = 10;

/** Each of them finds what a claim wants without passing over other rows. */
const NARROW = /_pkey$|^tasks_(line|line_by_model|not_yet|running_by_worker)$/;

const TABLES = ["public.tasks", "queue.user_lines", "queue.user_slots"];

// The statistics stay those of an empty queue, however much comes.
beforeAll(() => letAutovacuum(false));
afterAll(() => letAutovacuum(true));

beforeEach(async () => {
  await reset();
  await admin().unsafe(`analyze ${TABLES.join(", ")}`);
});

describe("the plan of a claim, with the statistics of an empty queue", () => {
  it.each([
    { session: "new", isWarm: false },
    { session: "open since the queue was empty", isWarm: true },
  ])("is narrow in a session that is $session", async ({ isWarm }) => {
    const few = await explainClaims(FEW, isWarm);
    await reset();
    await admin().unsafe(`analyze ${TABLES.join(", ")}`);
    const many = await explainClaims(MANY, isWarm);

    const onTasks = many.nodes.filter((node) => node.table === "tasks");
    expect(statementsOf(onTasks, /Seq Scan/)).toEqual([]);
    const indexes = new Set(onTasks.flatMap(({ index }) => index ?? []));
    expect(indexes).toContain("tasks_line");
    expect([...indexes].filter((index) => !NARROW.test(index))).toEqual([]);
    console.log(isWarm, few.buffers, many.buffers);
    expect(many.nodes.map((node) => node.index)).toContain("user_lines_turns");
    expect(many.buffers, `pages, ${few.buffers} with ${FEW} tasks`)
      .toBeLessThanOrEqual(2 * few.buffers);
  });
});

/** The statements whose plans have a node of this type. */
function statementsOf(nodes: readonly PlanNode[], type: RegExp): string[] {
  const found = nodes.filter((node) => type.test(node.type));
  return [...new Set(found.map(({ statement }) => statement))];
}

/** Several claims in a row among so many tasks, as one. */
async function explainClaims(
  tasks: number,
  isWarm: boolean,
): Promise<Explained> {
  const session = new ExplainedSession();
  try {
    if (isWarm) await claimSome(session.sql, "too-early");
    await fill(tasks);
    if (!isWarm) await claimSome(session.sql, "first");
    const all: Explained[] = [];
    for (let turn = 0; turn < CLAIMS; turn++) {
      all.push(
        await session.explain(async (sql) => {
          expect(await claim(sql, `worker-${turn}`)).not.toBeNull();
        }),
      );
    }
    return {
      nodes: all.flatMap(({ nodes }) => nodes),
      buffers: all.reduce((sum, { buffers }) => sum + buffers, 0) / CLAIMS,
    };
  } finally {
    await session.end();
  }
}

async function claimSome(sql: Connection, worker: string): Promise<void> {
  for (let turn = 0; turn < CLAIMS; turn++) {
    await claim(sql, `${worker}-${turn}`);
  }
}

/** Nine of ten tasks, the oldest, belong to a user who may run none. */
async function fill(tasks: number): Promise<void> {
  const others = tasks / 10;
  await createTasks(await createOwner({ maxInProgress: 0 }), tasks - others);
  for (let user = 0; user < USERS; user++) {
    await createTasks(await createOwner(), others / USERS);
  }
}

async function letAutovacuum(isOn: boolean): Promise<void> {
  for (const table of TABLES) {
    await admin().unsafe(
      isOn
        ? `alter table ${table} reset (autovacuum_enabled)`
        : `alter table ${table} set (autovacuum_enabled = off)`,
    );
  }
}
