/** Statements over many rows, on connections that have so far changed single ones. */
import { beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { MOST_QUEUED } from "../support/crowd.ts";
import { counterDrift } from "../support/drift.ts";
import { rest } from "../support/rest.ts";
import { createOwner, createTasks, reset } from "../support/world.ts";

/** More requests than the Data API has connections. */
const WARM = 20;

beforeEach(reset);

describe("PATCH tasks with the service key", () => {
  it(`cancels ${MOST_QUEUED} queued tasks in one request`, async () => {
    const owner = await createOwner();
    for (const id of await createTasks(owner, WARM)) {
      expect(await cancel({ id: `eq.${id}` })).toBe(204);
    }
    await createTasks(owner, MOST_QUEUED, { task_type: "no-longer-wanted" });

    const filter = { task_type: "eq.no-longer-wanted", status: "eq.Queued" };
    expect(await cancel(filter)).toBe(204);

    const found = await admin()`
      select status, count(*)::integer as tasks
      from public.tasks
      where task_type = 'no-longer-wanted'
      group by status
    `;
    expect([...found]).toEqual([{ status: "Cancelled", tasks: MOST_QUEUED }]);
    expect(await counterDrift()).toEqual([]);
  });
});

async function cancel(
  query: Readonly<Record<string, string>>,
): Promise<number> {
  const body = { status: "Cancelled" };
  const prefer = "return=minimal";
  const { status } = await rest("PATCH", "tasks", query, {
    body,
    headers: { prefer },
  });
  return status;
}
