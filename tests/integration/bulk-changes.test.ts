/**
 * Statements over many rows, in a session that has so far changed one row at a
 * time: its plans are made for one row, and kept. Ten times the rows may be ten
 * times the work, but not a hundred times.
 */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { settleAll } from "../support/crowd.ts";
import { admin, type Connection } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";
import { ExplainedSession } from "./explained-session.ts";
import { childOf } from "../support/fleet-words.ts";

const FEW = 50;
const MANY = 10 * FEW;
/** Ten times as much, and what there is room for: a hundred would be quadratic. */
const MOST = 30;
const WARM = 20;

/** What makes rows for a statement, and the statement that changes them. */
interface Change {
  readonly prepare: (owner: Owner, count: number) => Promise<string[]>;
  readonly run: (sql: Connection, ids: string[]) => Promise<unknown>;
}

const cancel = (sql: Connection, ids: string[]) =>
  sql`update public.tasks set status = 'Cancelled' where id = any (${ids}::uuid[])`;
const remove = (sql: Connection, ids: string[]) =>
  sql`delete from public.tasks where id = any (${ids}::uuid[])`;

const CHANGES: Readonly<Record<string, Change>> = {
  "tasks are cancelled": { prepare: createTasks, run: cancel },
  "children of one orchestrator are cancelled": {
    prepare: children,
    run: cancel,
  },
  "tasks are cancelled with what waits for them": {
    prepare: pairs,
    run: cancel,
  },
  "tasks are cancelled for which others wait": {
    prepare: async (owner, count) => {
      const ids = await createTasks(owner, count);
      await waitFor(owner, ids);
      return ids;
    },
    run: cancel,
  },
  "tasks are requeued": {
    prepare: started,
    run: (sql, ids) =>
      sql`
        update public.tasks
        set status = 'Queued', error_message = 'Reset'
        where id = any (${ids}::uuid[])
      `,
  },
  "tasks are completed": {
    prepare: started,
    run: (sql, ids) =>
      sql`
        update public.tasks
        set status = 'Complete', output_location = 'https://files.test/x.mp4'
        where id = any (${ids}::uuid[])
      `,
  },
  "tasks are deleted": { prepare: createTasks, run: remove },
  "children of one orchestrator are deleted": {
    prepare: children,
    run: remove,
  },
  "workers end": {
    prepare: async (_owner, count) => {
      const rows = await admin()<{ id: string }[]>`
        insert into public.workers (id, status)
        select gen_random_uuid()::text, 'active' from generate_series(1, ${count})
        returning id
      `;
      return rows.map(({ id }) => id);
    },
    run: (sql, ids) =>
      sql`update public.workers set status = 'terminated' where id = any (${ids})`,
  },
};

let session: ExplainedSession;
let owner: Owner;

beforeAll(reset);

beforeEach(async () => {
  owner = await createOwner({ maxInProgress: 1_000_000 });
  session = new ExplainedSession();
});

afterEach(() => session.end());

describe("in a session that has changed single rows, work grows with the rows when", () => {
  it.each(Object.keys(CHANGES))("%s", async (name) => {
    const change = CHANGES[name];
    if (change === undefined) throw new Error(name);
    for (const id of await change.prepare(owner, WARM)) {
      await change.run(session.sql, [id]);
    }
    const few = await rowsReadBy(change, FEW);
    const many = await rowsReadBy(change, MANY);
    expect(many, `rows, ${few} for a tenth of it`)
      .toBeLessThanOrEqual(MOST * few);
    await settleAll();
    expect(await counterDrift()).toEqual([]);
  });
});

/** How many rows all steps of all statements looked at. */
async function rowsReadBy(change: Change, count: number): Promise<number> {
  const ids = await change.prepare(owner, count);
  const { nodes } = await session.explain((sql) => change.run(sql, ids));
  return nodes.reduce((sum, { rows }) => sum + rows, 0);
}

/** Children of an orchestrator that runs. */
async function children(owner: Owner, count: number): Promise<string[]> {
  const orchestrator = await createTask(owner, {
    task_type: "film_orchestrator",
  });
  await startTask(orchestrator);
  return await createTasks(owner, count, {
    params: childOf(orchestrator),
  });
}

/** Half of them wait for one of the other half each. */
async function pairs(owner: Owner, count: number): Promise<string[]> {
  const ids = await createTasks(owner, count / 2);
  return [...ids, ...await waitFor(owner, ids)];
}

/** A task for each of these, which waits for it. */
async function waitFor(owner: Owner, ids: string[]): Promise<string[]> {
  const rows = await admin()<{ id: string }[]>`
    insert into public.tasks (task_type, project_id, dependant_on)
    select 'clip', ${owner.projectId}, d.id
    from unnest(${ids}::uuid[]) as d (id)
    returning id
  `;
  return rows.map(({ id }) => id);
}

/** Tasks that one worker holds. */
async function started(owner: Owner, count: number): Promise<string[]> {
  const ids = await createTasks(owner, count);
  await admin()`
    update public.tasks
    set
      status = 'In Progress',
      worker_id = 'worker-of-many',
      lease_token = gen_random_uuid(),
      attempts = attempts + 1,
      claimed_at = fairlane_core.now()
    where id = any (${ids}::uuid[])
  `;
  return ids;
}
