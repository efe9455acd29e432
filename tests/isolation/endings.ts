import { claim, complete, type Operation } from "./operations.ts";

/** Dead letters are requeued, the one that failed and its heir. */
export const requeue: Operation = {
  name: "requeue",
  sql: () => "select isolation.requeue('lost', 'heir')",
};

/** The worker of a failed task comes with its result after all. */
export const completeLost: Operation = {
  name: "complete the lost",
  sql: (session) => `select isolation.complete('${session}', 'lost')`,
};

/** Or it says once more that it has failed. */
export const failLost: Operation = {
  name: "fail the lost again",
  sql: (session) => `select isolation.report('${session}', 'lost', 'Failed')`,
};

/** The job that cancels what will never run. */
export const cleanUp: Operation = {
  name: "clean up",
  sql: () => "select fairlane_core.cleanup() ->> 'cancelled'",
};

/** A fresh task that waits for an old one. */
export const insertHeirOfAged: Operation = {
  name: "insert an heir of the aged",
  sql: (session) =>
    `select isolation.insert_dependant('heir of ${session}', 'aged')`,
};

/** Its owner cancels the old one. */
export const cancelAged: Operation = {
  name: "cancel the aged",
  sql: (session) =>
    `select isolation.report('${session}', 'aged', 'Cancelled')`,
};

/** Two requests for one task. */
export const create: Operation = {
  name: "create",
  sql: (session) => `select isolation.create_once('${session}')`,
};

/** A worker that was silent is heard of. */
const beat: Operation = {
  name: "beat",
  sql: () => "select isolation.beat('an-old-worker')",
};

/** All that can happen to a task that runs. */
export const endings: readonly Operation[] = [
  complete,
  {
    name: "fail",
    sql: (session) =>
      `select isolation.report('${session}', 'running', 'Failed')`,
  },
  {
    name: "mark failed",
    sql: (session) => `select isolation.mark_failed('${session}', 'running')`,
  },
  {
    name: "cancel",
    sql: (session) =>
      `select isolation.report('${session}', 'running', 'Cancelled')`,
  },
  {
    name: "rescue",
    sql: () => "select fairlane_core.rescue() ->> 'requeue_lost'",
  },
  beat,
  {
    name: "end the worker",
    sql: () => "select isolation.end_worker('an-old-worker')",
  },
  claim,
];
