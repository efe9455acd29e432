/**
 * The fleet of four generations at once: workers of January, March and April,
 * the counts of a May orchestrator, the API orchestrator, and two nameless
 * machines on one token. On one database, in one run, on a network that loses no
 * reply or every third; a pod dies whole, a worker is killed, one is told to end.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resetClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { illegalStarts } from "../support/history.ts";
import { getFile } from "../support/storage.ts";
import {
  createOwner,
  createTask,
  createTasks,
  createToken,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";
import { ApiOrchestrator } from "./clients/api-orchestrator.ts";
import { GpuWorker } from "./clients/gpu-worker.ts";
import { type LossyNetwork, startNetwork } from "./clients/lossy-network.ts";
import { MayCounts } from "./clients/may-counts.ts";
import { MixedFleet } from "./clients/mixed-fleet.ts";
import { type Task, WorkerDied } from "./clients/task.ts";
import { Wire } from "./clients/wire.ts";
import { APRIL, MARCH, YoungWorker } from "./clients/young-worker.ts";

const NETWORKS = { "no reply is lost": 0, "every third reply is lost": 3 };
const PICTURES = 3;
const OF_JANUARY = "gpu-20260111_120000-0a1b2c3d";
const OF_MARCH = "gpu-20260301_120000-0000c0de";
const OF_APRIL = "gpu-20260411_101010-dddd0002";
/** What machines without a name of their own are called: `--worker` was left out. */
const NAMELESS = "local-worker";

let cloud: Owner;
/** Has its own machines alone. */
let local: Owner;
let network: LossyNetwork;
let wire: Wire;

beforeEach(async () => {
  await reset();
  cloud = await createOwner();
  local = await createOwner({
    settings: { ui: { generationMethods: { inCloud: false } } },
  });
});

afterEach(async () => {
  await resetClock();
  await network.stop();
});

describe.each(Object.entries(NETWORKS))("while %s", (_name, losesEvery) => {
  beforeEach(async () => {
    network = await startNetwork(losesEvery);
    wire = new Wire(network.url);
  });

  it("every job of four generations ends with its result, once", async () => {
    const video = await record(cloud);
    const jobs = await enqueueJobs(video);
    const may = new MayCounts(wire);
    const fleet = new MixedFleet(wire, may, new ApiOrchestrator(wire, 20));
    const ends = deaths(fleet);
    const own = new Wire(network.url, await createToken(local));
    for (const _machine of ["one", "two"]) {
      // The Data API lets no token in: such a machine has no beats.
      fleet.add(new YoungWorker(NAMELESS, own, APRIL), false);
    }
    await fleet.runUntilEmpty(ends.afterRound);

    expect(ends.seen()).toEqual(["goodbye", "killed", "silent"]);
    expect(may.loads[0]).toBeGreaterThan(0);
    while (may.loads.at(-1) !== 0) await may.ask();
    expect(await outputsOf(jobs)).toEqual({
      travel: "s0 + s1<s0> + s2<s1<s0>>",
      unchained: "s0 + s1 + s2",
      join: "(((ab)c)d)",
      edit: "((ef)g)",
      // Each cut is the one that its own transition names.
      parallel: "-6[transition kl]-7-7[transition lm]-8",
    });
    expect(await piecesOf(video)).toEqual([
      "0 travel_segment s0",
      "1 travel_segment s1<s0>",
      "2 travel_segment s2<s1<s0>>",
    ]);
    await expectOneOfEach(losesEvery);

    // A user wants the middle one again: it goes on from what stands before it.
    const again = await createTask(cloud, {
      task_type: "individual_travel_segment",
      params: { parent_generation_id: video, child_order: 1 },
    });
    const late = new MixedFleet(wire, may, new ApiOrchestrator(wire, 20));
    late.add(new YoungWorker(`${OF_APRIL}-b`, wire, APRIL));
    await late.runUntilEmpty(async () => {});
    expect(await readTask(again)).toMatchObject({ status: "Complete" });
    expect((await piecesOf(video)).slice(1, 3).toSorted()).toEqual([
      "1 individual_travel_segment again after s0",
      "1 travel_segment s1<s0>",
    ]);
    await expectOneOfEach(losesEvery);
    expect(network.lost() > 0).toBe(losesEvery > 0);
  });
});

/** One job of each kind; the ids by name. */
async function enqueueJobs(video: string): Promise<Record<string, string>> {
  const travel = (run_id: string, more: object) => ({
    task_type: "travel_orchestrator",
    params: {
      orchestrator_details: {
        run_id,
        num_new_segments_to_generate: 3,
        ...more,
      },
    },
  });
  const chained = travel("20260411120000", {});
  const jobs = {
    travel: await createTask(cloud, {
      ...chained,
      params: { ...chained.params, parent_generation_id: video },
    }),
    unchained: await createTask(
      cloud,
      travel("20260411120001", { is_unchained: true }),
    ),
    join: await createTask(cloud, {
      task_type: "join_clips_orchestrator",
      params: { orchestrator_details: { clip_list: ["a", "b", "c", "d"] } },
    }),
    edit: await createTask(cloud, {
      task_type: "edit_video_orchestrator",
      params: { orchestrator_details: { kept_clips: ["e", "f", "g"] } },
    }),
    parallel: await createTask(local, {
      task_type: "join_clips_orchestrator",
      params: {
        is_parallel: true,
        orchestrator_details: { clip_list: ["k", "l", "m"] },
      },
    }),
  };
  // A start whose claim nobody heard of counts, too: three could be too few.
  await createTasks(cloud, PICTURES, {
    task_type: "qwen_image",
    max_attempts: 10,
  });
  return jobs;
}

/**
 * Three workers and how each ends in the middle of a task: a pod without a word,
 * a process that its guardian outlives, one that is told to end and says goodbye.
 * Another of its generation takes the place of each.
 */
function deaths(fleet: MixedFleet) {
  const seen: string[] = [];
  const pending: (() => Promise<void>)[] = [];
  const inPart = (end: string, then: () => Promise<void>) => (task: Task) => {
    if (task.task_type.endsWith("_orchestrator") || seen.includes(end)) return;
    seen.push(end);
    pending.push(then);
    throw new WorkerDied();
  };
  const january = (id: string) =>
    new GpuWorker(
      id,
      wire,
      inPart("killed", async () => {
        await fleet.guardianOf(id)?.reportEnd();
        fleet.add(january(`${OF_JANUARY}-b`));
      }),
    );
  const march = (id: string) =>
    new YoungWorker(
      id,
      wire,
      MARCH,
      inPart("silent", async () => {
        await fleet.skip(121);
        fleet.add(march(`${OF_MARCH}-b`));
      }),
    );
  const april = (id: string): YoungWorker => {
    const worker: YoungWorker = new YoungWorker(
      id,
      wire,
      APRIL,
      inPart("goodbye", async () => {
        await worker.end();
        fleet.add(april(`${OF_APRIL}-a`));
      }),
    );
    return worker;
  };
  fleet.add(january(OF_JANUARY));
  fleet.add(march(OF_MARCH));
  fleet.add(april(OF_APRIL));
  return {
    seen: () => seen.toSorted(),
    afterRound: async () => {
      for (const end of pending.splice(0)) await end();
    },
  };
}

/** The bytes that each job ended with. */
async function outputsOf(
  jobs: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const outputs: Record<string, string> = {};
  for (const [name, id] of Object.entries(jobs)) {
    const job = await readTask(id);
    expect(job, name).toMatchObject({ status: "Complete" });
    outputs[name] = (await getFile(String(job["output_location"]))).bytes;
  }
  return outputs;
}

/** The records below a video: place, type and bytes, in order. */
async function piecesOf(video: string): Promise<string[]> {
  const rows = await admin()<{ piece: string; location: string }[]>`
    select concat_ws(' ', g.child_order, t.task_type) as piece, g.location
    from public.generations as g
      join public.tasks as t on t.id = g.task_id
    where g.parent_generation_id = ${video}
    order by g.child_order, t.task_type
  `;
  const pieces: string[] = [];
  for (const { piece, location } of rows) {
    pieces.push(`${piece} ${(await getFile(location)).bytes}`);
  }
  return pieces;
}

/** Each task ended once and well, with one record if it makes one at all. */
async function expectOneOfEach(losesEvery: number): Promise<void> {
  const tasks = await admin()<Record<string, unknown>[]>`
    select
      t.task_type, t.status, t.attempts,
      (
        select count(*)::integer from public.task_events as e
        where e.task_id = t.id and e.to_status = 'Complete'
          and e.from_status is distinct from 'Complete'
      ) as ends,
      (
        select count(*)::integer from public.generations as g
        where g.task_id = t.id
      ) as records
    from public.tasks as t
    where t.status <> 'Cancelled' -- a child that was enqueued twice
  `;
  for (const task of tasks) {
    expect(task).toMatchObject({
      status: "Complete",
      ends: 1,
      records: String(task["task_type"]).endsWith("_orchestrator") ? 0 : 1,
    });
  }
  // Orchestrators are also put back by the fleet's own resets.
  const again = tasks.filter(({ attempts, task_type }) =>
    attempts !== 1 && !String(task_type).endsWith("_orchestrator")
  );
  if (losesEvery === 0) {
    // Killed and silent were starts; a goodbye gives its start back.
    expect(again.map(({ attempts }) => attempts)).toEqual([2, 2]);
  }
  expect(await illegalStarts(5)).toEqual([]);
  expect(await counterDrift()).toEqual([]);
}

/** The record of a whole video, which its segments belong to. */
async function record({ id, projectId }: Owner): Promise<string> {
  const [row] = await admin()<{ id: string }[]>`
    insert into public.generations (user_id, project_id, type, location)
    values (${id}, ${projectId}, 'video', 'https://files.test/whole.mp4')
    returning id
  `;
  return row?.id ?? "";
}
