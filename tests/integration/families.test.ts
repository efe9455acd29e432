import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { admin, closeConnections, type Connection } from "../support/db.ts";
import { complete, report } from "../support/operations.ts";
import {
  createOwner,
  createTask,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";
import { ExplainedSession } from "./explained-session.ts";
import { interleave } from "./interleave.ts";
import { MERGE, mergeOf, merging } from "../support/fleet-words.ts";

/** How many of a family's ends are measured; the last ends the orchestrator. */
const MEASURED = 5;

beforeEach(reset);
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

describe("a family", () => {
  it("of 1,000 costs the same at its last ends as one of ten", async () => {
    const session = new ExplainedSession();
    try {
      // The first family is for the session's plans.
      await costOfLastEnds(session, 10);
      const few = await costOfLastEnds(session, 10);
      const many = await costOfLastEnds(session, 1_000);
      expect(many, `rows, ${few} with 10 children`)
        .toBeLessThanOrEqual(1.5 * few);
      expect(await drift()).toEqual([]);
    } finally {
      await session.end();
    }
  });

  it("completes when its last two children end together", async () => {
    const { orchestrator, children: [left = "", right = ""] } =
      await familyOfTwo();
    await interleave(
      (sql) => complete(sql, left),
      (sql) => complete(sql, right),
    );
    expect(await readTask(orchestrator)).toMatchObject({ status: "Complete" });
    expect(await drift()).toEqual([]);
  });

  it("fails when one of its last two children fails meanwhile", async () => {
    const { orchestrator, children: [left = "", right = ""] } =
      await familyOfTwo();
    await interleave(
      (sql) => complete(sql, left),
      (sql) => report(sql, right, "Failed"),
    );
    expect(await readTask(orchestrator)).toMatchObject({ status: "Failed" });
  });

  it("cancels a child that ends while its orchestrator is cancelled", async () => {
    const { orchestrator, children: [left = "", right = ""] } =
      await familyOfTwo();
    await interleave(
      (sql) => complete(sql, left),
      (sql) => report(sql, orchestrator, "Cancelled"),
    );
    expect([await statusOf(left), await statusOf(right)])
      .toEqual(["Complete", "Cancelled"]);
    expect(await statusOf(orchestrator)).toBe("Cancelled");
    expect(await drift()).toEqual([]);
  });

  it("keeps a result that comes while its part is enqueued again", async () => {
    const { owner, orchestrator, children: [left = "", right = ""] } =
      await familyOfTwo();
    await interleave(
      (sql) => complete(sql, left),
      (sql) => insertJoins(owner, orchestrator, 1, sql),
    );
    const [again] = await admin()<{ id: string }[]>`
      select id from public.tasks
      where task_type = ${MERGE} and id not in (${left}, ${right})
    `;
    expect(await readTask(again?.id ?? "")).toMatchObject({
      status: "Complete",
      output_location: (await readTask(left))["output_location"],
    });
    expect(
      await admin()`select task_id from public.generations`,
    ).toEqual([{ task_id: left }]);
    await complete(admin(), right);
    expect(await statusOf(orchestrator)).toBe("Complete");
  });

  it("is told apart where two enqueue the same part together", async () => {
    const { owner, orchestrator } = await familyOfTwo();
    await interleave(
      (sql) => insertJoins(owner, orchestrator, 1, sql),
      (sql) => insertJoins(owner, orchestrator, 1, sql),
    );
    expect(
      await admin()`
        select status, count(*)::integer as tasks from public.tasks
        where params @> ${
        admin().json(mergeOf(orchestrator, 0))
      } group by status order by status
      `,
    ).toEqual([{ status: "Cancelled", tasks: 2 }, {
      status: "Queued",
      tasks: 1,
    }]);
    expect(await drift()).toEqual([]);
  });
});

/** Pages that the last ends of a family of this size look at. */
async function costOfLastEnds(
  session: ExplainedSession,
  size: number,
): Promise<number> {
  const owner = await createOwner({ maxInProgress: size });
  const orchestrator = await startedOrchestrator(owner, size + 1);
  const children = await insertJoins(owner, orchestrator, size);
  await moveAll(children, "In Progress");
  await moveAll(children.slice(0, -MEASURED), "Complete");
  await admin()`analyze public.tasks, fairlane_core.subtasks, fairlane_core.orchestrations`;

  let cost = 0;
  for (const id of children.slice(-MEASURED)) {
    const { nodes } = await session.explain((sql) => complete(sql, id));
    cost += nodes.reduce((sum, { rows }) => sum + rows, 0);
  }
  expect(await statusOf(orchestrator)).toBe("Complete");
  return cost;
}

/** All at once, as no caller does. */
async function moveAll(ids: readonly string[], status: string): Promise<void> {
  await admin()`
    update public.tasks
    set
      status = ${status},
      lease_token = id,
      claimed_at = fairlane_core.now(),
      output_location = 'https://files.test/' || id
    where id = any (${[...ids]}::uuid[])
  `;
}

/** An orchestrator that has enqueued two joins, and both of them run. */
async function familyOfTwo() {
  const owner = await createOwner();
  const orchestrator = await startedOrchestrator(owner, 3);
  const children = await insertJoins(owner, orchestrator, 2);
  for (const id of children) await startTask(id, `worker-of-${id}`);
  return { owner, orchestrator, children };
}

async function startedOrchestrator(
  owner: Owner,
  clips: number,
): Promise<string> {
  const id = await createTask(owner, {
    task_type: "montage_orchestrator",
    params: merging(clips),
  });
  await startTask(id, "an-orchestrator");
  return id;
}

async function insertJoins(
  owner: Owner,
  orchestrator: string,
  count: number,
  sql: Connection = admin(),
): Promise<string[]> {
  const params = Array.from(
    { length: count },
    (_, index) => mergeOf(orchestrator, index),
  );
  const rows = await sql<{ id: string }[]>`
    insert into public.tasks (task_type, project_id, params)
    select ${MERGE}, ${owner.projectId}, p.params
    from jsonb_array_elements(${sql.json(params)}) as p (params)
    returning id
  `;
  return rows.map(({ id }) => id);
}

async function statusOf(id: string): Promise<unknown> {
  return (await readTask(id))["status"];
}

async function drift(): Promise<unknown[]> {
  return [...await admin()`select * from fairlane_core.drift()`];
}
