/**
 * Many children that are deleted at once: their family is written once for all
 * of them. A row that is changed once for each leaves as many versions, and each
 * change has to pass those before it.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { admin } from "../support/db.ts";
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

let owner: Owner;
const session = new ExplainedSession();

beforeAll(async () => {
  await reset();
  owner = await createOwner({ maxInProgress: 1_000_000 });
});

afterAll(() => session.end());

it("children that are deleted in one statement change their family as often as two", async () => {
  const two = await changesOfTheFamily(2);
  expect(two).toBeGreaterThan(0);
  expect(await changesOfTheFamily(200)).toBe(two);
  expect(await counterDrift()).toEqual([]);
});

/** How often the family's row is written while so many of it are deleted. */
async function changesOfTheFamily(count: number): Promise<number> {
  const orchestrator = await createTask(owner, {
    task_type: "film_orchestrator",
  });
  await startTask(orchestrator);
  const ids = await createTasks(owner, count, {
    params: childOf(orchestrator),
  });
  const { nodes } = await session.explain((sql) =>
    sql`delete from public.tasks where id = any (${ids}::uuid[])`
  );
  const [family] = await admin()`
    select open_count from fairlane_core.orchestrations where orchestrator_id = ${orchestrator}
  `;
  expect(family).toEqual({ open_count: 0 });
  return nodes.filter(({ type, table }) =>
    type === "ModifyTable" && table === "orchestrations"
  ).length;
}
