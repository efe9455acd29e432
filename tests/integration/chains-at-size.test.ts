/**
 * Long chains of tasks that wait for each other. What is asked of them grows
 * with their length and no faster: counted are the rows that are looked at.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Connection } from "../support/db.ts";
import {
  createOwner,
  createTask,
  type Owner,
  reset,
} from "../support/world.ts";
import { ExplainedSession } from "./explained-session.ts";

const LENGTH = 2000;
/** Rows that one link may cost. */
const A_LINK = 40;

let owner: Owner;
let chain: string[];
let last: string;
const session = new ExplainedSession();

beforeAll(async () => {
  await reset();
  owner = await createOwner();
  chain = Array.from({ length: LENGTH }, () => crypto.randomUUID());
  last = chain.at(-1) ?? "";
  // Nor by luck: this is what the planner thinks of where statistics are missing or old.
  await session.sql`set enable_nestloop = off`;
  // As the triggers have it that call what is called here by itself.
  await session.sql`set enable_seqscan = off`;
  // A walk that goes through all links at each step takes minutes.
  await session.sql`set statement_timeout = '60s'`;
  await session.sql`
    insert into public.tasks (id, task_type, project_id, dependant_on)
    select c.id, 'clip', ${owner.projectId},
      lag(c.id) over (order by c.place)
    from unnest(${chain}::uuid[]) with ordinality as c (id, place)
  `;
}, 300_000);

afterAll(() => session.end());

it("a chain in one statement is scanned once", async () => {
  const rows = await rowsOf((sql) =>
    sql`select fairlane_core.refuse_cycles(${chain}::uuid[])`
  );
  expect(rows).toBeLessThan(A_LINK * LENGTH);
}, 120_000);

it(
  "a task that is put before a chain that waits for it is refused at the cost of its links",
  async () => {
    const first = await createTask(owner);
    await session.sql`
    update public.tasks set dependant_on = ${first} where id = ${chain[0] ?? ""}
  `;
    const rows = await rowsOf((sql) =>
      expect(
        sql`update public.tasks set dependant_on = ${last} where id = ${first}`,
      ).rejects.toMatchObject({ code: "PT400", detail: "DEPENDENCY_CYCLE" })
    );
    expect(rows).toBeLessThan(A_LINK * LENGTH);
    const [task] = await session.sql`
    select dependant_on from public.tasks where id = ${first}
  `;
    expect(task).toEqual({ dependant_on: null });
  },
  120_000,
);

it(
  "a task that is put at its end is let in at the cost of its links",
  async () => {
    const end = await createTask(owner);
    const rows = await rowsOf((sql) =>
      sql`update public.tasks set dependant_on = ${last} where id = ${end}`
    );
    expect(rows).toBeLessThan(A_LINK * LENGTH);
  },
  120_000,
);

async function rowsOf(
  run: (sql: Connection) => Promise<unknown>,
): Promise<number> {
  const { nodes } = await session.explain(run);
  return nodes.reduce((sum, node) => sum + node.rows, 0);
}
