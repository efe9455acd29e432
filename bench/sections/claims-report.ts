import type { Contest } from "../measure/contest.ts";
import { latency, number, times } from "../report/numbers.ts";
import type { Section } from "../report/section.ts";
import {
  type Distribution,
  distributionWords,
  type Shape,
  shapeName,
  short,
} from "../world/shape.ts";

/** One contest of the matrix. */
export interface ClaimResult {
  queue: string;
  shape: Shape;
  clients: number;
  contest: Contest;
}

const OURS = "ours";

/** The matrix as tables. */
export function claimsReport(
  results: ClaimResult[],
  leftOut: Shape[],
  leftOutByPlan?: string,
): Section[] {
  const ours = results.filter(({ queue }) => queue === OURS);
  const peers = results.filter(({ queue }) => queue !== OURS);
  return [
    {
      title: "Claim and complete, through SQL",
      notes: [
        "CPU: of the whole database, per call; x: in units of the floor's in the rounds between (median of the rounds). " +
        "Times in ms at the client. WAL: bytes per claim. Dead rows: left behind per claim and completion. " +
        'Shapes: "even": ' + words("even") + '; "skew90": ' + words("skew90") +
        '; "capped95": ' + words("capped95") + ".",
        summary(ours),
        ...leftOutByPlan ? [leftOutByPlan] : [],
        ...leftOut.length > 0
          ? [`Left out for lack of time: ${leftOut.map(shapeName).join("; ")}.`]
          : [],
      ],
      head: [
        ...["backlog", "users", "shape", "clients", "claim", "CPU ms"],
        ...["p50 / p95 / p99", "floor's p95", "WAL", "complete", "CPU ms"],
        ...["cycle", "dead rows", "misses"],
      ],
      rows: ours.map((result) => row(result)),
    },
    {
      title: "The same by others",
      notes: [
        "pg-boss and graphile-worker on the same Postgres, in schemas of their own, through their own code. " +
        "graphile-worker knows no limit but one job at a time per named queue; a capped user is a locked queue there. " +
        '"ours": how many times our CPU per claim theirs is, in the same shape. Misses: polls that got nothing although there was work; ' +
        "their cost is in the claims that got some.",
      ],
      head: [
        ...["queue", "backlog", "users", "shape", "clients", "claim", "CPU ms"],
        ...["ours", "p50 / p95 / p99", "WAL", "cycle", "dead rows", "misses"],
      ],
      rows: peers.map((result) => peerRow(result, ours)),
    },
  ].filter(({ rows }) => rows.length > 0);
}

function words(distribution: Distribution): string {
  return distributionWords[distribution];
}

function summary(ours: ClaimResult[]): string {
  const most = (of: (result: ClaimResult) => number) =>
    times(Math.max(...ours.map(of)));
  const least = Math.min(...ours.map(({ contest }) => contest.claim.ratio));
  const growth = (p95: (contest: Contest) => number) =>
    most((result) => p95(result.contest) / p95(smallest(ours, result).contest));
  return `**A claim costs ${times(least)} to ` +
    `${most(({ contest }) => contest.claim.ratio)} of the floor's CPU. ` +
    `Its p95 is at most ${growth(({ claim }) => claim.p95)} of that in the ` +
    `smallest backlog; for the floor, in the same rounds, that is ` +
    `${growth(({ floorClaim }) => floorClaim.p95)}.**`;
}

/** The same spread, users and clients with the fewest tasks. */
function smallest(ours: ClaimResult[], { shape, clients }: ClaimResult) {
  const [first] = ours
    .filter((other) =>
      other.shape.users === shape.users &&
      other.shape.distribution === shape.distribution &&
      other.clients === clients
    )
    .sort((a, b) => a.shape.backlog - b.shape.backlog);
  if (!first) throw new Error("A shape is not among those measured");
  return first;
}

function place({ shape, clients }: ClaimResult): string[] {
  const { backlog, users, distribution } = shape;
  return [short(backlog), short(users), distribution, String(clients)];
}

function row(result: ClaimResult): string[] {
  const { claim, complete, cycle, floorClaim, deadRows, misses } =
    result.contest;
  return [
    ...place(result),
    times(claim.ratio),
    number(claim.cpuMs),
    latency(claim),
    number(floorClaim.p95),
    number(claim.walBytes),
    times(complete.ratio),
    number(complete.cpuMs),
    times(cycle.ratio),
    number(deadRows),
    String(misses),
  ];
}

function peerRow(result: ClaimResult, ours: ClaimResult[]): string[] {
  const { claim, cycle, deadRows, misses } = result.contest;
  const mine = ours.find(({ shape, clients }) =>
    shape === result.shape && clients === result.clients
  );
  // Ratios, not milliseconds: they were not measured at the same moment.
  const ofOurs = claim.ratio / (mine?.contest.claim.ratio ?? Number.NaN);
  return [
    result.queue,
    ...place(result),
    times(claim.ratio),
    number(claim.cpuMs),
    times(ofOurs),
    latency(claim),
    number(claim.walBytes),
    times(cycle.ratio),
    number(deadRows),
    String(misses),
  ];
}
