/**
 * Workers that were given the anon key for their reads: contract 0, 4.1 and
 * 10.4. A travel job ends right at every position of the switch of ADR 0013.
 */
import { afterEach, beforeEach, expect, it } from "vitest";
import { resetClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { stack } from "../support/stack.ts";
import { getFile } from "../support/storage.ts";
import { createTask } from "../support/fleet-tasks.ts";
import { createOwner, type Owner, readTask, reset } from "../support/world.ts";
import { SmallFleet } from "./clients/small-fleet.ts";
import { type Task, WorkerDied } from "./clients/task.ts";
import { Wire } from "./clients/wire.ts";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

afterEach(async () => {
  await resetClock();
  await admin()`select fairlane_core.allow_anon_reads(false)`;
});

it.each(["closed", "allow_anon_reads", "allow_anon_deletes"])(
  "a travel job ends with its segments, each made once: %s",
  async (position) => {
    if (position !== "closed") {
      await admin().unsafe(`select fairlane_core.${position}(true)`);
    }
    const id = await createJob();
    await fleet().runUntil(() => hasEnded(id));
    await expectRight(id);
  },
  60_000,
);

it(
  "H: children that were enqueued twice are deleted, once that is allowed",
  async () => {
    const id = await createJob();
    let deaths = 0;
    let isDeadly = true;
    const workers = fleet(({ task_type }) => {
      if (task_type !== "travel_segment" || !isDeadly) return;
      isDeadly = false;
      deaths++;
      throw new WorkerDied();
    }, 1);
    // The next worker cannot read the children and enqueues them again.
    await workers.runUntil(() => Promise.resolve(deaths === 1));
    await workers.skip(601);
    await workers.runUntil(async () => (await children(id)).length > 4);
    // The one after that can, and finds each of them twice.
    await admin()`select fairlane_core.allow_anon_deletes(true)`;
    isDeadly = true;
    await workers.runUntil(() => Promise.resolve(deaths === 2));
    await workers.skip(601);
    await workers.runUntil(() => hasEnded(id));

    const [gone] = await admin()`
    select count(*)::integer from public.task_events where reason = 'deleted'
  `;
    // All but the segment that had begun.
    expect(gone).toEqual({ count: 3 });
    await expectRight(id);
  },
  60_000,
);

/** Workers read with the anon key; their orchestrator has the service key. */
function fleet(
  onStart: (task: Task) => void = () => {},
  maxWorkers = 2,
): SmallFleet {
  const { apiUrl, serviceRoleKey, anonKey } = stack();
  const workerWire = new Wire(apiUrl, serviceRoleKey, anonKey);
  return new SmallFleet(new Wire(apiUrl), onStart, maxWorkers, workerWire);
}

function createJob(): Promise<string> {
  return createTask(owner, {
    task_type: "travel_orchestrator",
    params: {
      orchestrator_details: {
        run_id: "20260111120000",
        num_new_segments_to_generate: 3,
      },
    },
  });
}

async function hasEnded(id: string): Promise<boolean> {
  return !["Queued", "In Progress"].includes(
    String((await readTask(id))["status"]),
  );
}

async function children(id: string) {
  return [
    ...await admin()<{ status: string }[]>`
    select id, status, params ->> 'segment_index' as segment
    from public.tasks
    where params ->> 'orchestrator_task_id_ref' = ${id}
    order by created_at
  `,
  ];
}

/** The stitched bytes, one result record per part, and nothing that goes on. */
async function expectRight(id: string): Promise<void> {
  const job = await readTask(id);
  expect(job).toMatchObject({ status: "Complete", error_message: null });
  expect((await getFile(String(job["output_location"]))).bytes)
    .toBe("s0 + s1<s0> + s2<s1<s0>>");
  const [made] = await admin()`
    select count(*)::integer as parts from public.generations as g
      join public.tasks as t on t.id = g.task_id
    where t.params ->> 'orchestrator_task_id_ref' = ${id}
  `;
  expect(made).toEqual({ parts: 4 });
  const open = (await children(id))
    .filter(({ status }) => status === "Queued" || status === "In Progress");
  expect(open).toEqual([]);
  expect(await counterDrift()).toEqual([]);
}
