/**
 * Claims of workers that ask for tasks of the model they have loaded, which is
 * every claim of the fleet since the end of March: what they cost.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { claim } from "../support/operations.ts";
import { type Explained, ExplainedSession } from "./explained-session.ts";
import {
  emptyAfter,
  letAutovacuum,
  LYING,
  type Statistics,
  TURNS,
} from "./plan-world.ts";

const WORKER = "worker-with-a-model";
const FEW = 40;
const MANY = 4_000;
/** As many tasks as one statement of a claim may look at. */
const ONE_BY_ONE = 10;

// The statistics stay those of an empty queue, however much comes.
beforeAll(() => letAutovacuum(false));
afterAll(() => letAutovacuum(true));

describe.each(LYING)(
  "a claim for a model that nobody asks for, with the statistics of %s",
  (statistics) => {
    let few: Explained;
    let many: Explained;
    beforeAll(async () => {
      few = await explainClaims(statistics, FEW);
      many = await explainClaims(statistics, MANY);
    });

    it("finds every task through an index of the lines", () => {
      const reads = many.nodes.filter(({ table }) => table === "tasks");
      expect(reads.filter(({ type }) => type === "Seq Scan")).toEqual([]);
      const indexes = reads.map(({ index }) => index);
      expect(indexes).toContain("tasks_ready_by_model");
      expect(reads.filter(({ rows }) => rows > ONE_BY_ONE)).toEqual([]);
    });

    it("gets no more expensive with the users who have work", () => {
      expect(many.buffers, `pages, ${few.buffers} with ${FEW} users`)
        .toBeLessThanOrEqual(2 * few.buffers);
    });
  },
);

/** What some claims did, as one, while each user has a task of another model. */
async function explainClaims(
  statistics: Statistics,
  users: number,
): Promise<Explained> {
  await emptyAfter(statistics);
  const session = new ExplainedSession();
  try {
    await admin()`
      insert into public.workers (id, status, current_model)
      select ${WORKER} || n, 'active', 'loaded'
      from generate_series(1, ${2 * TURNS}::integer) as n
    `;
    await fill(users);
    const claims: Explained[] = [];
    for (let turn = 1; turn <= 2 * TURNS; turn++) {
      const claimed = await session.explain((sql) =>
        claim(sql, `${WORKER}${turn}`, {
          p_same_model_only: true,
          p_max_task_wait_minutes: 5,
        })
      );
      if (claimed.result === null) throw new Error("A claim found nothing");
      // The plans of the first are not yet those that stay.
      if (turn > TURNS) claims.push(claimed);
    }
    return {
      result: null,
      nodes: claims.flatMap(({ nodes }) => nodes),
      buffers: claims.reduce((sum, { buffers }) => sum + buffers, 0) / TURNS,
    };
  } finally {
    await session.end();
  }
}

async function fill(users: number): Promise<void> {
  await admin()`
    with owner as (
      insert into public.users (id, credits)
      select gen_random_uuid(), 100 from generate_series(1, ${users}::integer)
      returning id
    )
    insert into public.projects (user_id, name)
    select id, 'Project of a test' from owner
  `;
  await admin()`
    insert into public.tasks (task_type, project_id, params)
    select 'clip', id, '{"model": "another"}' from public.projects
  `;
}
