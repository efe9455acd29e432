/**
 * Whole jobs, run by programs that speak exactly like the deployed ones
 * (tests/fleet/clients/), on a network that loses no reply or every third, with
 * a machine that dies in the middle.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resetClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { illegalStarts } from "../support/history.ts";
import { filesBelow, getFile, publicUrl } from "../support/storage.ts";
import { createTask, createTasks } from "../support/fleet-tasks.ts";
import { createOwner, type Owner, readTask, reset } from "../support/world.ts";
import { ApiOrchestrator } from "./clients/api-orchestrator.ts";
import { type LossyNetwork, startNetwork } from "./clients/lossy-network.ts";
import { SmallFleet } from "./clients/small-fleet.ts";
import { type Task, WorkerDied } from "./clients/task.ts";
import { Wire } from "./clients/wire.ts";

const NETWORKS = { "no reply is lost": 0, "every third reply is lost": 3 };

let owner: Owner;
let network: LossyNetwork;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

afterEach(async () => {
  await resetClock();
  await network.stop();
});

describe.each(Object.entries(NETWORKS))("while %s", (_name, losesEvery) => {
  beforeEach(async () => {
    network = await startNetwork(losesEvery);
  });

  afterEach(async () => {
    expect(network.lost() > 0).toBe(losesEvery > 0);
    expect(await illegalStarts(5)).toEqual([]);
    expect(await counterDrift()).toEqual([]);
  });

  it("a travel job ends with its stitched segments, though a machine dies", async () => {
    const id = await createTask(owner, {
      task_type: "travel_orchestrator",
      params: {
        orchestrator_details: {
          orchestrator_task_id: "test_travel_20260111",
          run_id: "20260111120000",
          num_new_segments_to_generate: 3,
        },
      },
    });
    const death = once(({ params }) => params["segment_index"] === 1);
    const fleet = new SmallFleet(new Wire(network.url), death.onStart);
    await fleet.runUntil(death.hasCome);
    // Nobody hears of it; the orchestrator finds the beats too old.
    await fleet.skip(601);
    await fleet.runUntil(() => hasEnded(id));

    const job = await readTask(id);
    expect(job).toMatchObject({ status: "Complete", error_message: null });
    expect((await getFile(String(job["output_location"]))).bytes)
      .toBe("s0 + s1<s0> + s2<s1<s0>>");
    expect(await results(id)).toEqual([
      "travel_segment 0",
      "travel_segment 1",
      "travel_segment 2",
      "travel_stitch",
    ]);
    await expectNoLooseEnds(id);
  });

  it("a join job ends with all clips joined, though a worker crashes", async () => {
    const id = await createTask(owner, {
      task_type: "join_clips_orchestrator",
      params: { orchestrator_details: { clip_list: ["a", "b", "c", "d"] } },
    });
    const death = once(({ params }) => params["join_index"] === 1);
    const fleet = new SmallFleet(new Wire(network.url), death.onStart, 1);
    await fleet.runUntil(death.hasCome);
    // Its guardian is still there, and says so.
    await fleet.reportEnds();
    await fleet.runUntil(() => hasEnded(id));

    const job = await readTask(id);
    expect(job).toMatchObject({ status: "Complete", error_message: null });
    expect((await getFile(String(job["output_location"]))).bytes)
      .toBe("(((ab)c)d)");
    expect(await results(id)).toEqual([
      "join_clips_segment 0",
      "join_clips_segment 1",
      "join_clips_segment 2",
    ]);
    await expectNoLooseEnds(id);
  });

  it("the API orchestrator hands in each picture once", async () => {
    // A start whose claim nobody heard of counts, too: three could be too few.
    const ids = await createTasks(owner, 7, {
      task_type: "qwen_image_edit",
      max_attempts: 10,
    });
    const wire = new Wire(network.url);
    const api = new ApiOrchestrator(wire, 20);
    // What it claimed without hearing of it comes back by the other's resets.
    const fleet = new SmallFleet(wire, undefined, 0);
    await fleet.runUntil(async () => {
      await api.poll();
      const open = await admin()`
        select from public.tasks where status in ('Queued', 'In Progress')
      `;
      if (open.length > 0) await fleet.skip(8 * 60);
      return open.length === 0;
    });
    for (const id of ids) {
      const { output_location } = await readTask(id);
      // A later start has a path of its own.
      const [folder, name] = String(output_location).split(`/tasks/${id}/`);
      expect(folder).toBe(publicUrl(owner.id));
      expect(name).toMatch(/^[0-9a-f]{32}-out\.png$/);
      expect((await getFile(String(output_location))).bytes)
        .toBe(`picture of ${id}`);
    }
    expect(await admin()`select from public.generations`).toHaveLength(7);
  });
});

/** A death that comes once, when a task of the kind has begun. */
function once(isFatal: (task: Task) => boolean) {
  let hasCome = false;
  return {
    hasCome: () => Promise.resolve(hasCome),
    onStart(task: Task): void {
      if (hasCome || !isFatal(task)) return;
      hasCome = true;
      throw new WorkerDied();
    },
  };
}

async function hasEnded(id: string): Promise<boolean> {
  return !["Queued", "In Progress"].includes(
    String((await readTask(id))["status"]),
  );
}

/** The result records of the job's parts, one line each. */
async function results(id: string): Promise<string[]> {
  const rows = await admin()<{ part: string }[]>`
    select concat_ws(
      ' ', t.task_type,
      coalesce(t.params ->> 'join_index', t.params ->> 'segment_index')
    ) as part
    from public.generations as g
      join public.tasks as t on t.id = g.task_id
    where t.params ->> 'orchestrator_task_id_ref' = ${id}
    order by 1
  `;
  return rows.map(({ part }) => part);
}

/** No part still runs, and each file in the bucket is one that a task names. */
async function expectNoLooseEnds(id: string): Promise<void> {
  const parts = await admin()<{ status: string; id: string }[]>`
    select status, id from public.tasks
    where params ->> 'orchestrator_task_id_ref' = ${id}
  `;
  for (const { status } of parts) {
    expect(["Complete", "Cancelled"]).toContain(status);
  }
  const made = await admin()<{ location: string }[]>`
    select location from public.generations order by location
  `;
  const files = await filesBelow(`${owner.id}/tasks`);
  expect(files.filter((file) => !file.includes("/thumbnails/")).map(publicUrl))
    .toEqual(made.map(({ location }) => location).toSorted());
}
