import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { admin, as, closeConnections, type Connection } from "../support/db.ts";
import { claim, complete, report } from "../support/operations.ts";
import {
  createOwner,
  createTask,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";
import { interleave } from "./interleave.ts";

beforeEach(reset);
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

describe("a dependent", () => {
  it("is ready once when its two parents finish together", async () => {
    const owner = await createOwner();
    const [left, right] = [await started(owner), await started(owner)];
    const child = await createTask(owner, { dependant_on: left });
    await admin()`
      insert into fairlane_core.task_dependencies values (${child}, ${right})
    `;

    await interleave(
      (sql) => complete(sql, left),
      (sql) => complete(sql, right),
    );

    expect((await readTask(child))["readiness"]).toBe("ready");
    expect(await claimAll()).toEqual([child]);
  });

  it("is ready when it was inserted while its parent finished", async () => {
    const owner = await createOwner();
    const parent = await started(owner);
    await interleave(
      (sql) => insertDependant(sql, owner, parent),
      (sql) => complete(sql, parent),
    );
    expect(await claimAll()).toHaveLength(1);
  });

  it("is ready when its parent finished while it was inserted", async () => {
    const owner = await createOwner();
    const parent = await started(owner);
    await interleave(
      (sql) => complete(sql, parent),
      (sql) => insertDependant(sql, owner, parent),
    );
    expect(await claimAll()).toHaveLength(1);
  });

  it.each([
    // Whoever sees the other one settles it.
    { order: "before", end: { status: "Failed", readiness: null } },
    { order: "after", end: { status: "Queued", readiness: "dependency_lost" } },
  ])(
    "never runs when it was inserted just $order its parent failed",
    async ({ order, end }) => {
      const owner = await createOwner();
      const parent = await started(owner);
      const insert = (sql: Connection) => insertDependant(sql, owner, parent);
      const fail = (sql: Connection) => report(sql, parent, "Failed");
      if (order === "before") await interleave(insert, fail);
      else await interleave(fail, insert);

      expect(
        await admin()`
          select status, readiness from public.tasks
          where dependant_on = ${parent}
        `,
      ).toEqual([end]);
    },
  );

  it.each(["before", "after"])(
    "is not lost when it was inserted just %s its parent appeared",
    async (order) => {
      const owner = await createOwner();
      const parent = crypto.randomUUID();
      const child = (sql: Connection) => insertDependant(sql, owner, parent);
      const appear = async (sql: Connection) => {
        await sql`
          insert into public.tasks (id, task_type, project_id)
          values (${parent}, 'clip', ${owner.projectId})
        `;
      };
      if (order === "before") await interleave(child, appear);
      else await interleave(appear, child);

      const [claimed] = await claimAll();
      expect(claimed).toBe(parent);
      await complete(as("service_role"), parent);
      expect(await claimAll()).toHaveLength(1);
    },
  );

  it("is refused when two inserts would close a circle together", async () => {
    const owner = await createOwner();
    const [one, other] = [crypto.randomUUID(), crypto.randomUUID()];
    const insert =
      (id: string, dependency: string) => async (sql: Connection) => {
        await sql`
          insert into public.tasks (id, task_type, project_id, dependant_on)
          values (${id}, 'clip', ${owner.projectId}, ${dependency})
        `;
      };

    await expect(interleave(insert(one, other), insert(other, one)))
      .rejects.toMatchObject({ code: "PT400", detail: "DEPENDENCY_CYCLE" });
    expect((await readTask(one))["readiness"]).toBe("dependency_lost");
  });
});

/** A task that a worker runs. */
async function started(owner: Owner): Promise<string> {
  const id = await createTask(owner);
  await startTask(id, `worker-of-${id}`);
  return id;
}

async function insertDependant(
  sql: Connection,
  owner: Owner,
  parent: string,
): Promise<void> {
  await sql`
    insert into public.tasks (task_type, project_id, dependant_on)
    values ('film', ${owner.projectId}, ${parent})
  `;
}

/** Claims until there is nothing; the tasks in their order. */
async function claimAll(): Promise<string[]> {
  const sql = as("service_role");
  const ids: string[] = [];
  for (let attempt = 0; attempt < 5; attempt++) {
    const task = await claim(sql, `worker-${attempt}`);
    if (task === null) return ids;
    ids.push(task.task_id);
  }
  return ids;
}
