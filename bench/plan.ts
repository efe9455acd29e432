import type { Distribution, Shape } from "./world/shape.ts";

/** How much is measured. */
export interface Plan {
  /** Every state of the queue that claims are measured in, small backlogs first. */
  shapes: readonly Shape[];
  /** What the matrix leaves out on purpose, in words. */
  leftOut?: string;
  /** The most tasks that any section queues. */
  largestBacklog: number;
  /** The most users that any section knows. */
  mostUsers: number;
  /** Claims per round, and rounds per contest. */
  batch: number;
  rounds: number;
  /** A contest that takes longer stops early. */
  budgetMs: number;
  /** Rows of each kind that the jobs of cleaning find due, and how long they get. */
  cleaning: { rows: number; minutes: number };
  /** How long the storm and the quiet before it last, each. */
  stormSeconds: number;
  /** Rounds of work while a long transaction holds the horizon. */
  horizonRounds: number;
  /** After so long the rest of the matrix is left out, and the report says so. */
  minutes: number;
  /** How many clients work at once, each number in a contest of its own. */
  clientsIn(shape: Shape): readonly number[];
  /** The same for the peers; none = they are not measured in this shape. */
  peerClientsIn(shape: Shape): readonly number[];
}

const distributions: Distribution[] = ["even", "skew90", "capped95"];

/**
 * Every shape at both ends of the matrix; between them, where curves only have to
 * be drawn, with one number of users.
 */
export const fullPlan: Plan = {
  shapes: [1_000, 10_000, 100_000, 1_000_000].flatMap((backlog) =>
    (isBetween(backlog) ? [1_000] : [10, 1_000, 10_000]).flatMap((users) =>
      distributions.map((distribution) => ({ backlog, users, distribution }))
    )
  ),
  leftOut:
    "Left out by plan: 10 and 10k users at backlogs of 10k and 100k; other " +
    "queues at 1M except in one shape with one client, and at 1k with 10 and " +
    "10k users where every user owns as much as any other.",
  largestBacklog: 1_000_000,
  mostUsers: 10_000,
  batch: 80,
  rounds: 10,
  budgetMs: 4_000,
  cleaning: { rows: 1_000_000, minutes: 6 },
  stormSeconds: 90,
  horizonRounds: 60,
  minutes: 36,
  clientsIn: () => [1, 8],
  // Filling their tables with a million jobs takes longer than all the rest, and
  // by then their curves are plain: one shape shows where they end.
  peerClientsIn({ backlog, users, distribution }) {
    if (backlog === 1_000_000) {
      return users === 1_000 && distribution === "skew90" ? [1] : [];
    }
    if (users === 1_000) return [1, 8];
    return distribution === "even" ? [] : [1];
  },
};

function isBetween(backlog: number): boolean {
  return backlog === 10_000 || backlog === 100_000;
}

/** Enough to see whether something has become slow, in three minutes. */
export const quickPlan: Plan = {
  shapes: [1_000, 10_000, 100_000].flatMap((backlog) =>
    distributions
      .filter((name) => name === "skew90" || backlog === 10_000)
      .map((distribution) => ({ backlog, users: 1_000, distribution }))
  ),
  largestBacklog: 100_000,
  mostUsers: 1_000,
  batch: 40,
  rounds: 5,
  budgetMs: 1_500,
  cleaning: { rows: 20_000, minutes: 0.5 },
  stormSeconds: 40,
  horizonRounds: 12,
  minutes: 6,
  clientsIn: ({ backlog, distribution }) =>
    backlog === 10_000 && distribution === "skew90" ? [1, 8] : [1],
  peerClientsIn: (shape) =>
    shape.distribution === "skew90" ? quickPlan.clientsIn(shape) : [],
};
