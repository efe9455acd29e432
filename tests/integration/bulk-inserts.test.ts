/**
 * Many new tasks of a signed-in user in one statement. What is looked at for
 * them grows with them, and not with what the user has already.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
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

const ROWS = 100;
const QUEUED = 1_000;

let owner: Owner;
let session: ExplainedSession;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  session = new ExplainedSession();
});

afterEach(() => session.end());

describe("a bulk insert by a user reads no more rows for all that is queued", () => {
  it("below the bound", async () => {
    const before = await rowsReadBy({});
    await createTasks(owner, QUEUED);
    expect(await rowsReadBy({})).toBeLessThanOrEqual(2 * before);
    expect(await counterDrift()).toEqual([]);
  });

  it("above the bound, where children of started orchestrators may go", async () => {
    const orchestrator = await createTask(owner, {
      task_type: "film_orchestrator",
    });
    await startTask(orchestrator);
    const params = { orchestrator_task_id: orchestrator };
    await admin()`update fairlane_core.settings set max_queued_per_user = 10`;
    try {
      const before = await rowsReadBy(params);
      await createTasks(owner, QUEUED);
      expect(await rowsReadBy(params)).toBeLessThanOrEqual(2 * before);
    } finally {
      await admin()`update fairlane_core.settings set max_queued_per_user = default`;
    }
    expect(await counterDrift()).toEqual([]);
  });
});

/** How many rows all steps of the insert and of its triggers looked at. */
async function rowsReadBy(params: Record<string, string>): Promise<number> {
  const { nodes } = await session.explain((sql) => insertAsUser(sql, params));
  return nodes.reduce((sum, { rows }) => sum + rows, 0);
}

async function insertAsUser(
  sql: Connection,
  params: Record<string, string>,
): Promise<void> {
  const claims = JSON.stringify({ role: "authenticated", sub: owner.id });
  await sql`select set_config('request.jwt.claims', ${claims}, false)`;
  await sql`
    insert into public.tasks (task_type, project_id, params)
    select 'clip', ${owner.projectId}, ${sql.json(params)}
    from generate_series(1, ${ROWS})
  `;
}
