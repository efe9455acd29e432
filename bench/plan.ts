import type { Distribution, Shape } from "./world/shape.ts";

/** How much is measured. */
export interface Plan {
  backlogs: readonly number[];
  users: readonly number[];
  distributions: readonly Distribution[];
  clients: readonly number[];
  /** Calls per round, and rounds per contest. */
  batch: number;
  rounds: number;
  /** A contest that takes longer stops early. */
  budgetMs: number;
  /** Cycles while a long transaction holds the horizon. */
  horizonRounds: number;
  /** Of these shapes only: how many clients work at once; none = left out. */
  clientsOf(shape: Shape): readonly number[];
  /** Whether the peers are measured in this shape, too. */
  hasPeers(shape: Shape): boolean;
}

/** The whole matrix. */
export const fullPlan: Plan = {
  backlogs: [1_000, 10_000, 100_000, 1_000_000],
  users: [10, 1_000, 10_000],
  distributions: ["even", "skew90", "capped95"],
  clients: [1, 8],
  batch: 80,
  rounds: 12,
  budgetMs: 8_000,
  horizonRounds: 60,
  clientsOf: () => [1, 8],
  hasPeers: ({ distribution, users }) =>
    distribution !== "even" || users === 1_000,
};

/** Enough to see whether something has become slow. */
export const quickPlan: Plan = {
  backlogs: [1_000, 10_000, 100_000],
  users: [1_000],
  distributions: ["even", "skew90", "capped95"],
  clients: [1, 8],
  batch: 40,
  rounds: 7,
  budgetMs: 2_000,
  horizonRounds: 15,
  clientsOf: ({ backlog }) => backlog === 10_000 ? [1, 8] : [1],
  hasPeers: ({ distribution }) => distribution === "skew90",
};
