import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { claim, complete } from "../support/operations.ts";
import { size } from "../support/size.ts";
import {
  type Explained,
  ExplainedSession,
  type PlanNode,
} from "./explained-session.ts";
import {
  emptyAfter,
  fill,
  letAutovacuum,
  LYING,
  type Statistics,
  TURNS,
  warmUp,
} from "./plan-world.ts";

const FEW = 200;
const MANY = size(5_000, 20_000);
/** As many tasks as one statement of a claim may look at. */
const ONE_BY_ONE = 10;

/** Each of them finds what a claim wants without passing over other rows. */
const NARROW =
  /_pkey$|^tasks_(ready|ready_by_model|not_yet|running_by_worker)$/;
/** Each begins with the column by which a completion asks of its task. */
const OF_A_COMPLETION =
  /^(tasks_pkey|subtasks_pkey|task_dependencies_by_dependency)$/;
/** This one, too, but by worker and state: by worker alone it has all it ever did. */
const BY_WORKER = "tasks_by_worker";

// The statistics stay those of an empty queue, however much comes.
beforeAll(() => letAutovacuum(false));
afterAll(() => letAutovacuum(true));

describe.each(LYING)("with the statistics of %s", (statistics) => {
  describe.each([
    { session: "a new session", isWarm: false },
    { session: "a session from when it was empty", isWarm: true },
  ])("and in $session", ({ isWarm }) => {
    let few: Work;
    let many: Work;
    beforeAll(async () => {
      few = await explainWork(statistics, FEW, isWarm);
      many = await explainWork(statistics, MANY, isWarm);
    });

    it("a claim takes from the lines through their indexes", () => {
      const reads = many.claims.nodes
        .filter(({ table, index }) => table === "tasks" && index !== undefined);
      expect(reads.map(({ index }) => index)).toContain("tasks_ready");
      expect(reads.filter((read) => !isNarrow(read))).toEqual([]);
      expect(reads.filter(({ rows }) => rows > ONE_BY_ONE)).toEqual([]);
      expect(many.claims.nodes.map(({ index }) => index))
        .toContain("user_queues_turns");
    });

    it("a completion finds its task and its family by their keys", () => {
      const indexes = new Set(
        many.completes.nodes
          .map(({ index = "" }) => index)
          .filter((index) =>
            /^(tasks|subtasks|task_dependencies)_/.test(index)
          ),
      );
      expect(indexes.size).toBeGreaterThan(2);
      expect([...indexes].filter((index) => !OF_A_COMPLETION.test(index)))
        .toEqual([]);
    });

    it.each(["claims", "completes"] as const)(
      "%s read no whole table",
      (on) => {
        expect(wholeReads(many[on])).toEqual([]);
      },
    );

    it.each(["claims", "completes"] as const)("%s stay as cheap", (on) => {
      expect(many[on].buffers, `pages, ${few[on].buffers} with ${FEW} tasks`)
        .toBeLessThanOrEqual(2 * few[on].buffers);
    });
  });
});

function isNarrow({ index = "", condition = "" }: PlanNode): boolean {
  return NARROW.test(index) ||
    (index === BY_WORKER && /\bstatus = /.test(condition));
}

/** What claims and completions did, each kind as one. */
interface Work {
  readonly claims: Explained;
  readonly completes: Explained;
}

/** The statements that read all tasks. */
function wholeReads({ nodes }: Explained): string[] {
  const found = nodes.filter(({ table, type }) =>
    table === "tasks" && type === "Seq Scan"
  );
  return [...new Set(found.map(({ statement }) => statement))];
}

async function explainWork(
  statistics: Statistics,
  tasks: number,
  isWarm: boolean,
): Promise<Work> {
  await emptyAfter(statistics);
  const session = new ExplainedSession();
  try {
    if (isWarm) await warmUp(session.sql);
    await fill(tasks);
    if (!isWarm) await warmUp(session.sql);
    const claims: Explained[] = [];
    const completes: Explained[] = [];
    for (let turn = 0; turn < TURNS; turn++) {
      const claimed = await session.explain((sql) =>
        claim(sql, `worker-${turn}`)
      );
      const id = claimed.result?.task_id;
      if (id === undefined) throw new Error("A claim found nothing");
      claims.push(claimed);
      completes.push(await session.explain((sql) => complete(sql, id)));
    }
    return { claims: together(claims), completes: together(completes) };
  } finally {
    await session.end();
  }
}

function together(calls: readonly Explained[]): Explained {
  return {
    result: null,
    nodes: calls.flatMap(({ nodes }) => nodes),
    buffers: calls.reduce((sum, { buffers }) => sum + buffers, 0) /
      calls.length,
  };
}
