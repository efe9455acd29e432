/**
 * Each generation of GPU workers by itself through each of its jobs, two workers
 * side by side, while every third reply is lost: docs/contract.md, 9 and 13 to 16.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resetClock } from "../support/clock.ts";
import { createOwner, type Owner, reset } from "../support/world.ts";
import { enqueue, JOBS } from "./clients/fleet-jobs.ts";
import { GpuWorker } from "./clients/gpu-worker.ts";
import { type LossyNetwork, startNetwork } from "./clients/lossy-network.ts";
import {
  lostStarts,
  unexplained,
  wrongAttempts,
} from "./clients/lost-starts.ts";
import { MayCounts } from "./clients/may-counts.ts";
import type { Member } from "./clients/machines.ts";
import { MixedFleet } from "./clients/mixed-fleet.ts";
import {
  expectOneOfEach,
  needlesslyCancelled,
  outputsOf,
} from "./clients/outcome.ts";
import { Wire } from "./clients/wire.ts";
import { APRIL, MARCH, YoungWorker } from "./clients/young-worker.ts";

type Name = keyof typeof JOBS;
type MakeWorker = (id: string, wire: Wire) => Member;

const OF_ALL: readonly Name[] = ["travel", "unchained", "join", "edit"];
const GENERATIONS: [string, readonly Name[], MakeWorker][] = [
  ["January", OF_ALL, (id, wire) => new GpuWorker(id, wire)],
  [
    "March",
    [...OF_ALL, "parallel"],
    (id, wire) => new YoungWorker(id, wire, MARCH),
  ],
  [
    "April",
    [...OF_ALL, "parallel"],
    (id, wire) => new YoungWorker(id, wire, APRIL),
  ],
];

let owner: Owner;
let network: LossyNetwork | undefined;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

afterEach(async () => {
  try {
    await resetClock();
  } finally {
    await network?.stop();
    network = undefined;
  }
});

describe.each(GENERATIONS)("two workers of %s", (generation, jobs, make) => {
  it.each(jobs)("end the job %s with its result, once", async (name) => {
    const { bytes, results } = JOBS[name];
    network = await startNetwork(3);
    const wire = new Wire(network.url);
    const id = await enqueue(owner, JOBS[name]);
    const fleet = new MixedFleet(wire, new MayCounts(wire), NO_PICTURES);
    for (const n of [1, 2]) {
      fleet.add(make(`gpu-20260411_101010-dddd000${n}`, wire));
    }
    await fleet.runUntilEmpty(async () => {});

    expect(network.lost()).toBeGreaterThan(0);
    expect(await outputsOf({ [name]: id })).toEqual({ [name]: bytes });
    await expectOneOfEach(results);
    const starts = await lostStarts();
    const claims = network.lostRepliesOf("claim-next-task");
    // Those who look for what they hold read one row, which may be the wrong one.
    expect(generation === "April" ? starts : unexplained(starts, { claims }))
      .toEqual([]);
    expect(await wrongAttempts(starts)).toEqual([]);
    expect(await needlesslyCancelled()).toEqual([]);
  });
});

const NO_PICTURES = { poll: () => Promise.resolve() };
