import { beforeEach, describe, expect, it } from "vitest";
import { admin, as } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { claim, rpc } from "../support/operations.ts";
import {
  createOwner,
  createTask,
  createTasks,
  reset,
} from "../support/world.ts";

const MANY = 5_000;

beforeEach(reset);

describe("a bulk insert", () => {
  it("of 5,000 tasks keeps every counter right", async () => {
    const owner = await createOwner();
    await createTasks(owner, MANY);
    expect(await counterDrift()).toEqual([]);
    const counts = JSON.parse(
      await rpc(as("service_role"), "task_counts", { p_run_type: "gpu" }),
    );
    expect(counts.totals.queued_only).toBe(5);
    expect(counts.blocked).toEqual({ user_at_limit: MANY - 5 });
    expect(await claim(as("service_role"), "worker-bulk")).not.toBeNull();
  });

  it("of every kind at once does so too", async () => {
    const owners = await Promise.all(
      Array.from({ length: 10 }, () => createOwner()),
    );
    const parent = await createTask(owners[0] ?? await createOwner());
    await admin()`
      insert into public.tasks
        (task_type, project_id, dependant_on, run_type, available_at, created_at)
      select
        (array['clip', 'film_orchestrator', 'edit_image', 'unheard_of'])[1 + i % 4],
        case when i % 11 > 0 then (${
      owners.map((o) => o.projectId)
    }::uuid[])[1 + i % 10] end,
        case when i % 7 = 0 then ${parent}::uuid end,
        case when i % 5 = 0 then 'local' else 'cloud' end,
        case when i % 13 = 0 then now() + interval '1 hour' end,
        case when i % 17 = 0 then now() - interval '8 days' else now() end
      from generate_series(1, ${MANY}) as i
    `;
    expect(await counterDrift()).toEqual([]);
  });

  it("followed by a bulk delete leaves nothing behind", async () => {
    const owner = await createOwner();
    await createTasks(owner, MANY);
    await admin()`delete from public.tasks where user_id = ${owner.id}`;
    expect(await counterDrift()).toEqual([]);
    expect(await claim(as("service_role"), "worker-bulk")).toBeNull();
  });
});
