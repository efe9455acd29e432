import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { CROWD, touchedBy } from "../support/crowd.ts";
import { admin, as, type Connection } from "../support/db.ts";
import { seemDrained } from "../support/drained-tables.ts";
import { report } from "../support/operations.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";
import { childOf } from "../support/fleet-words.ts";

/** What others read while very many hang on one row of somebody else's. */

const FEW = 200;

let honest: Owner;

beforeEach(async () => {
  await reset();
  honest = await createOwner({ maxInProgress: 9 });
});
afterAll(reset);

describe.each([
  { crowd: "wait for one task", column: "dependant_on" },
  { crowd: "are parts of one orchestrator", column: "params" },
])(`while ${CROWD} $crowd, as the statistics say`, ({ column }) => {
  let running: string;
  beforeEach(async () => {
    const owner = await createOwner();
    const one = await createTask(owner, { task_type: "film_orchestrator" });
    const value = column === "params" ? childOf(one) : one;
    await createTasks(owner, CROWD, { [column]: value });
    running = await createTask(honest);
    await startTask(running);
    await admin()`analyze fairlane_core.task_dependencies, fairlane_core.subtasks`;
  });

  it("another owner's insert reads none of them", async () => {
    expect(
      await readBy((sql) =>
        sql`
        insert into public.tasks (task_type, project_id)
        values ('clip', ${honest.projectId})
      `
      ),
    ).toBeLessThan(FEW);
  });

  it.each(["Complete", "Failed", "Cancelled"])(
    "another owner's task that becomes %s reads none of them",
    async (status) => {
      expect(await readBy((sql) => report(sql, running, status)))
        .toBeLessThan(FEW);
    },
  );
});

it("a heartbeat reads what its worker holds once, even under statistics of a drained queue", async () => {
  const running = await createTask(honest);
  await startTask(running, "w-1");
  await createTasks(await createOwner(), CROWD);
  await seemDrained(["public.tasks"]);
  const body = JSON.stringify({
    worker_id_param: "w-1",
    current_task_id_param: running,
  });
  expect(
    await readBy((sql) =>
      sql`select public.func_worker_heartbeat_with_logs(${body}::text::json)`
    ),
  ).toBeLessThan(10 * CROWD);
  const [task] = await admin()`
    select delivered_at is not null as is_delivered
    from public.tasks where id = ${running}
  `;
  expect(task).toEqual({ is_delivered: true });
});

/** Rows that it reads, in a session of its own. */
async function readBy(
  run: (sql: Connection) => Promise<unknown>,
): Promise<number> {
  const session = as("service_role");
  const { read } = await touchedBy(session, run);
  await session.end();
  return read;
}
