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
import { stack } from "../support/stack.ts";
import { createTask, createTasks } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";
import { ApiOfMay } from "./clients/api-of-may.ts";
import { ApiOrchestrator } from "./clients/api-orchestrator.ts";
import { addDying, DYING, type Parts, SILENCE } from "./clients/deaths.ts";
import { enqueue, JOBS } from "./clients/fleet-jobs.ts";
import { type LossyNetwork, startNetwork } from "./clients/lossy-network.ts";
import {
  lostStarts,
  unexplained,
  wrongAttempts,
} from "./clients/lost-starts.ts";
import { MayCounts } from "./clients/may-counts.ts";
import { MixedFleet } from "./clients/mixed-fleet.ts";
import { Wire } from "./clients/wire.ts";
import {
  expectOneOfEach,
  expectPictures,
  needlesslyCancelled,
  outputsOf,
  piecesOf,
  recordsOf,
} from "./clients/outcome.ts";
import { APRIL, YoungWorker } from "./clients/young-worker.ts";

const NETWORKS = { "no reply is lost": 0, "every third reply is lost": 3 };
const PICTURES = 3;
/** Result records, those of the pictures included. */
const RESULTS = Object.values(JOBS)
  .reduce((sum, { results }) => sum + results, PICTURES);
/** What machines without a name of their own are called: `--worker` was left out. */
const NAMELESS = "local-worker";

let cloud: Owner;
/** Has its own machines alone. */
let local: Owner;
let network: LossyNetwork | undefined;

beforeEach(async () => {
  await reset();
  cloud = await createOwner();
  local = await createOwner({
    settings: { ui: { generationMethods: { inCloud: false } } },
  });
});

afterEach(async () => {
  try {
    await resetClock();
  } finally {
    // Last, also after a failure: nobody asks it any more.
    await network?.stop();
    network = undefined;
  }
});

describe.each(Object.entries(NETWORKS))("while %s", (_name, losesEvery) => {
  it("every job of four generations ends with its result, once", async () => {
    const begun = Date.now();
    const lossy = network = await startNetwork(losesEvery);
    const wire = new Wire(lossy.url);
    const video = await record(cloud);
    const jobs = {
      travel: await enqueue(cloud, JOBS.travel, {
        parent_generation_id: video,
      }),
      unchained: await enqueue(cloud, JOBS.unchained),
      join: await enqueue(cloud, JOBS.join),
      edit: await enqueue(cloud, JOBS.edit),
      parallel: await enqueue(local, JOBS.parallel),
    };
    const pictures = await enqueuePictures();
    const may = new MayCounts(wire);
    const fleet = new MixedFleet(wire, may, new ApiOrchestrator(wire, 20));
    const dying = addDying(fleet, wire);
    const own = new Wire(lossy.url, await createToken(local));
    const nameless: string[][] = [[], []];
    for (const ran of nameless) {
      // The Data API lets no token in: such a machine has no beats.
      const machine = new YoungWorker(NAMELESS, own, APRIL, (task) => {
        ran.push(task.id);
      });
      fleet.add(machine, false);
    }
    await fleet.runUntilEmpty(dying.afterRound);

    const parts = dying.parts();
    expect(Object.keys(parts).toSorted()).toEqual(
      Object.keys(DYING).toSorted(),
    );
    expect(may.loads[0]).toBeGreaterThan(0);
    expect(may.statuses.filter((status) => status !== 200)).toEqual([]);
    for (const ran of nameless) expect(ran).not.toEqual([]);
    await expectNoLoad();
    expect(await outputsOf(jobs)).toEqual({
      travel: JOBS.travel.bytes,
      unchained: JOBS.unchained.bytes,
      join: JOBS.join.bytes,
      edit: JOBS.edit.bytes,
      parallel: JOBS.parallel.bytes,
    });
    await expectPictures(pictures);
    expect(await piecesOf(video)).toEqual([
      "0 travel_segment s0",
      "1 travel_segment s1<s0>",
      "2 travel_segment s2<s1<s0>>",
    ]);
    const { travel: _, ...alone } = jobs;
    expect(await recordsOf(alone)).toEqual({
      unchained: JOBS.unchained.records,
      join: JOBS.join.records,
      edit: JOBS.edit.records,
      parallel: JOBS.parallel.records,
    });
    await expectOneOfEach(RESULTS);
    await expectRightStarts(lossy, parts);
    const ends = await endsIn(parts);
    expect(ends).toEqual({
      killed: expect.stringContaining("process is gone"),
      silent: expect.stringMatching(/has been silent|sent no heartbeat/),
      goodbye: expect.stringContaining("was released"),
      silence: expect.any(Number),
    });
    expect(ends.silence).toBeGreaterThanOrEqual(100);
    // By the next rescue, before any more time was let pass.
    expect(ends.silence).toBeLessThan(SILENCE + (Date.now() - begun) / 1000);

    const others = await enqueuePictures();
    const api = new ApiOfMay(
      wire,
      20,
      (id) => ({ file: `picture of ${id}` }),
    );
    const late = new MixedFleet(wire, may, api);
    late.add(new YoungWorker(`${DYING.goodbye}-b`, wire, APRIL));
    // A user wants the middle one again: it goes on from what stands before it.
    // That is read by one call, which is not tried again: where the network took
    // it at each start, the user deletes what failed and asks once more.
    let status: unknown;
    for (let asked = 0; asked < 5 && status !== "Complete"; asked++) {
      const again = await createTask(cloud, {
        task_type: "individual_travel_segment",
        params: { parent_generation_id: video, child_order: 1 },
      });
      await late.runUntilEmpty(async () => {});
      const { error_message, ...ended } = await readTask(again);
      status = ended["status"];
      if (status !== "Complete") {
        expect(losesEvery, String(error_message)).toBeGreaterThan(0);
        expect(error_message).toContain("socket hang up");
        // While what was lost of it can be seen.
        await expectRightStarts(lossy, parts);
        await admin()`delete from public.tasks where id = ${again}`;
      }
    }
    expect(status).toBe("Complete");
    await expectPictures(others);
    expect((await piecesOf(video)).slice(1, 3).toSorted()).toEqual([
      "1 individual_travel_segment again after s0",
      "1 travel_segment s1<s0>",
    ]);
    await expectOneOfEach(RESULTS + 1 + PICTURES);
    await expectRightStarts(lossy, parts);
    expect(lossy.lost() > 0).toBe(losesEvery > 0);
  });
});

function enqueuePictures(): Promise<string[]> {
  // A start whose claim nobody heard of counts, too: three could be too few.
  return createTasks(cloud, PICTURES, {
    task_type: "qwen_image",
    max_attempts: 10,
  });
}

/** What a May orchestrator counts on a network that loses nothing. */
async function expectNoLoad(): Promise<void> {
  const may = new MayCounts(new Wire(stack().apiUrl));
  await may.ask();
  expect(may.loads).toEqual([0]);
}

/** No start more than what was lost accounts for, and each counted once. */
async function expectRightStarts(
  lossy: LossyNetwork,
  parts: Parts,
): Promise<void> {
  const starts = await lostStarts();
  const deaths = Object.fromEntries(
    Object.entries(DYING).map(([end, id]) => [id, parts[end as keyof Parts]]),
  );
  const claims = lossy.lostRepliesOf("claim-next-task");
  expect(unexplained(starts, { deaths, claims, nameless: NAMELESS }))
    .toEqual([]);
  expect(await wrongAttempts(starts)).toEqual([]);
  expect(await needlesslyCancelled()).toEqual([]);
  expect(await illegalStarts(5)).toEqual([]);
  expect(await counterDrift()).toEqual([]);
}

/** Why the start ended that each of them died in, and how long the pod was silent. */
async function endsIn(parts: Parts) {
  const starts = await lostStarts();
  const endOf = (end: keyof Parts) =>
    starts.find(({ task_id, worker_id }) =>
      task_id === parts[end] && worker_id === DYING[end]
    );
  return {
    killed: endOf("killed")?.reason,
    silent: endOf("silent")?.reason,
    goodbye: endOf("goodbye")?.reason,
    silence: endOf("silent")?.seconds,
  };
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
