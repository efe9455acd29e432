import type { Held, Queue, QueueClient } from "../queues/queue.ts";
import type { Probe, Sample } from "./probe.ts";
import { median, percentile } from "./statistics.ts";

/** How a contest is run. */
export interface ContestOptions {
  clients: number;
  /** Claims in one round; then all of them are completed. */
  batch: number;
  /** The floor's, when the queue can give fewer at once; absent = the same. */
  floorBatch?: number;
  rounds: number;
  /** A slow queue stops after this long, but not before three rounds. */
  budgetMs: number;
}

/** What one kind of call costs, as medians over the rounds. */
export interface Cost {
  calls: number;
  cpuMs: number;
  walBytes: number;
  p50: number;
  p95: number;
  p99: number;
  /** CPU of the database, in units of the floor's at the same moment. */
  ratio: number;
}

/** What one queue showed beside the floor. */
export interface Contest {
  claim: Cost;
  complete: Cost;
  /** Claim and completion together. */
  cycle: Cost;
  /** The floor's own claims, for the record. */
  floorClaim: Cost;
  /** Claims that got nothing although there was work. */
  misses: number;
  /** Dead rows that each cycle left behind. */
  deadRows: number;
}

interface Round {
  claim: Sample;
  complete: Sample;
  misses: number;
}

/**
 * Lets a queue and the floor work in turns, in rounds so short that whatever else
 * the machine does hits both; the ratio is the median of the rounds' ratios.
 */
export async function contest(
  probe: Probe,
  queue: Queue,
  floor: Queue,
  options: ContestOptions,
): Promise<Contest> {
  const theirs = await connectAll(queue, options.clients);
  const floors = await connectAll(floor, options.clients);
  const floorOptions = {
    ...options,
    batch: options.floorBatch ?? options.batch,
  };
  const rounds: { mine: Round; floor: Round }[] = [];
  const deadBefore = await queue.deadRows();
  const deadline = performance.now() + options.budgetMs;
  // The first round plans and compiles; it does not count.
  for (let n = 0; n <= options.rounds; n++) {
    const floorRound = await runRound(probe, floor, floors, floorOptions);
    const mine = await runRound(probe, queue, theirs, options);
    if (n > 0) rounds.push({ mine, floor: floorRound });
    if (n >= 3 && performance.now() > deadline) break;
  }
  await closeAll([...theirs, ...floors]);
  const cycles = sum(rounds.map(({ mine }) => mine.complete.calls)) +
    options.batch;
  const both = (kind: "claim" | "complete") =>
    cost(
      rounds.map(({ mine }) => mine[kind]),
      rounds.map(({ floor }) => floor[kind]),
    );
  return {
    claim: both("claim"),
    complete: both("complete"),
    cycle: cost(
      rounds.map(({ mine }) => cycleOf(mine)),
      rounds.map(({ floor }) => cycleOf(floor)),
    ),
    floorClaim: cost(
      rounds.map(({ floor }) => floor.claim),
      rounds.map(({ floor }) => floor.claim),
    ),
    misses: sum(rounds.map(({ mine }) => mine.misses)),
    deadRows: (await queue.deadRows() - deadBefore) / cycles,
  };
}

/** As many clients as are to work at once. */
export function connectAll(
  queue: Queue,
  count: number,
): Promise<QueueClient[]> {
  return Promise.all(Array.from({ length: count }, () => queue.connect()));
}

/** Ends them all. */
export async function closeAll(clients: QueueClient[]): Promise<void> {
  await Promise.all(clients.map((client) => client.close()));
}

/** Claims a batch, completes it, and puts as much work back as was taken. */
export async function runRound(
  probe: Probe,
  queue: Queue,
  clients: QueueClient[],
  { batch, budgetMs }: ContestOptions,
): Promise<Round> {
  const held: Held[] = [];
  let misses = 0;
  const load = { clients: clients.length, calls: batch };
  const claim = await probe.measure(
    { ...load, budgetMs: budgetMs / 6 },
    async (client) => {
      const task = await clients[client]?.claim();
      if (task) held.push(task);
      else misses++;
    },
  );
  const owners = held.map(({ owner }) => owner);
  const complete = await probe.measure(
    { ...load, calls: held.length, budgetMs: Number.POSITIVE_INFINITY },
    async () => await held.pop()?.complete(),
  );
  await queue.enqueue(owners);
  // A poll that gets nothing is part of the price of the claims that do.
  return { claim: { ...claim, calls: owners.length }, complete, misses };
}

/** Summarises rounds beside those of the floor. */
export function cost(mine: Sample[], floor: Sample[]): Cost {
  const latencies = mine.flatMap(({ latenciesMs }) => latenciesMs);
  const floorCpu = floor.map(cpuPerCall);
  return {
    calls: sum(mine.map(({ calls }) => calls)),
    cpuMs: median(mine.map(cpuPerCall)),
    walBytes: median(mine.map(({ walBytes, calls }) => walBytes / calls)),
    p50: percentile(latencies, 0.5),
    p95: percentile(latencies, 0.95),
    p99: percentile(latencies, 0.99),
    ratio: median(
      mine.map((sample, n) => cpuPerCall(sample) / (floorCpu[n] ?? Number.NaN)),
    ),
  };
}

function cycleOf({ claim, complete }: Round): Sample {
  return {
    calls: complete.calls,
    cpuMs: claim.cpuMs + complete.cpuMs,
    httpMs: claim.httpMs + complete.httpMs,
    wallMs: claim.wallMs + complete.wallMs,
    walBytes: claim.walBytes + complete.walBytes,
    // Completions come in the reverse order of claims.
    latenciesMs: [...complete.latenciesMs].reverse().map((ms, n) =>
      ms + (claim.latenciesMs[n] ?? 0)
    ),
  };
}

function cpuPerCall({ cpuMs, calls }: Sample): number {
  return cpuMs / calls;
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
