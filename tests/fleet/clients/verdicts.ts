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
/** Only while there is a task that nobody has requeued yet. */
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

/** How many of one worker have failed: 0 or 1. */
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

/** Whether the worker that was silent with its task has failed in the end. */
export function hasFailed(one: Theirs, order: Order, other: Other): boolean {
  return said(FAILED[one], order, other) === 1;
}

/** The start counts, unless its holder hands it back while it has it. */
const PUTS_BACK: Verdicts = {
  "the rescue": ALWAYS,
  "the other jobs": ALWAYS,
  "a beat": ALWAYS,
  "a last beat, crashed": ALWAYS,
  "a last beat, terminated": UNLESS_BEFORE,
  "a late result": ALWAYS,
  "a late failure": ALWAYS,
};
/** Then it is the rescue that ends it: who beats has never named the task. */
const LEAVES_IT: Verdicts = {
  ...PUTS_BACK,
  "a beat": NEVER,
  "a last beat, terminated": NEVER,
};

/** How often the one start of the task is counted. */
const ATTEMPTS: Readonly<Record<Theirs, Verdicts>> = {
  "O1 resets orphans": PUTS_BACK,
  // What was beaten for a moment ago is not stale.
  "O1 resets what is stale": { ...PUTS_BACK, "a beat": [1, 0, 1] },
  "O1 resets by API timeout": PUTS_BACK,
  "O4 resets at its start": PUTS_BACK,
  "O1 sets to error": PUTS_BACK,
  "O2 sets to error": PUTS_BACK,
  "O1 marks as terminating": LEAVES_IT,
  "O1 terminates": PUTS_BACK,
  "O4 terminates": PUTS_BACK,
  "O2 promotes": LEAVES_IT,
};

/** What the task is in the end: a late word counts whoever came first. */
const TASK_AFTER: Readonly<Record<Other, string>> = {
  "the rescue": "Queued",
  "the other jobs": "Queued",
  "a beat": "Queued",
  "a last beat, crashed": "Queued",
  "a last beat, terminated": "Queued",
  "a late result": "Complete",
  "a late failure": "Failed",
};

/** What becomes of the task of a worker that was silent with it. */
export function taskAfter(one: Theirs, order: Order, other: Other) {
  return {
    status: TASK_AFTER[other],
    attempts: said(ATTEMPTS[one], order, other),
  };
}

/** What the task was when its start had ended: requeued, or over. */
export function startEndsAs(one: Theirs, order: Order, other: Other): string {
  const isPutBack = order === "first" && ATTEMPTS[one] !== LEAVES_IT;
  return isPutBack ? "Queued" : TASK_AFTER[other];
}

/** What a worker is that had nothing, whatever else was said of it. */
export const WORKER_AFTER = {
  "O1 sets to error": "error",
  "O2 sets to error": "error",
  "O1 marks as terminating": "terminating",
  "O1 terminates": "terminated",
  "O4 terminates": "terminated",
} as const satisfies Partial<Record<Theirs, string>>;

/** It has failed if it crashed before an orchestrator calls that an error. */
export function hasFailedIdle(one: Theirs, order: Order, other: Other) {
  return one.endsWith("sets to error") &&
    other === "a last beat, crashed" && order !== "first";
}

function said(verdicts: Verdicts, order: Order, other: Other): number {
  return verdicts[other][ORDERS.indexOf(order)] ?? Number.NaN;
}
