import { ORCHESTRATORS, OTHERS } from "./moves.ts";

export type Theirs = keyof typeof ORCHESTRATORS;
export type Other = keyof typeof OTHERS;

/** When the orchestrator writes: before, after, or after by an earlier look. */
export const ORDERS = ["first", "last", "late"] as const;
export type Order = typeof ORDERS[number];

type Verdicts = Readonly<Record<Other, readonly [number, number, number]>>;

const NEVER = [0, 0, 0] as const;
const ALWAYS = [1, 1, 1] as const;
/** Who hands its work back, or beats, before the orchestrator writes has not failed. */
const UNLESS_BEFORE = [1, 0, 0] as const;
/** Only while there is a task that nobody has put back yet. */
const IF_BEFORE = [0, 1, 1] as const;

/** A reset frees the task and says nothing of the worker. */
const RESET_OF_API: Verdicts = {
  "the rescue": NEVER, // which asks no beats of it
  "the other jobs": NEVER,
  "a beat": NEVER,
  "a last beat, crashed": ALWAYS,
  "a last beat, terminated": NEVER,
  "a late result": NEVER,
  "a late failure": NEVER,
};
const RESET: Verdicts = { ...RESET_OF_API, "the rescue": IF_BEFORE };

/** Who is ended after such a silence has failed. */
const END: Verdicts = {
  "the rescue": ALWAYS,
  "the other jobs": ALWAYS,
  "a beat": ALWAYS,
  "a last beat, crashed": ALWAYS,
  "a last beat, terminated": UNLESS_BEFORE,
  "a late result": ALWAYS,
  "a late failure": ALWAYS,
};

/** Whether the worker that was silent with its task has failed in the end. */
const FAILED: Readonly<Record<Theirs, Verdicts>> = {
  "O1 resets orphans": RESET,
  "O1 resets what is stale": RESET,
  "O1 resets by API timeout": RESET_OF_API,
  "O4 resets at its start": RESET_OF_API,
  "O1 sets to error": END,
  "O2 sets to error": END,
  "O1 marks as terminating": { ...END, "a beat": UNLESS_BEFORE },
  "O1 terminates": END,
  "O4 terminates": END,
  // It changes nothing: what the rescue finds at the end counts.
  "O2 promotes": {
    ...RESET_OF_API,
    "the rescue": ALWAYS,
    "the other jobs": ALWAYS,
  },
};

/** How many of one worker have failed: 0 or 1. */
export function failedAfter(one: Theirs, order: Order, other: Other): number {
  return FAILED[one][other][ORDERS.indexOf(order)] ?? Number.NaN;
}
