/** Something that happens to the queue, by itself in a transaction. */
export interface Operation {
  readonly name: string;
  /** The statement, for the session that runs it. */
  sql(session: string): string;
}

/** The fleet claims. */
export const claim: Operation = {
  name: "claim",
  sql: (session) => `select isolation.claim('${session}')`,
};

/** The owner's own machine claims. */
export const claimAtHome: Operation = {
  name: "claim at home",
  sql: (session) => `select isolation.claim_at_home('${session}')`,
};

/** A running task is completed: one of two that a third one waits for. */
export const complete: Operation = {
  name: "complete",
  sql: (session) => `select isolation.complete('${session}', 'running')`,
};

/** The other one. */
export const completeOther: Operation = {
  name: "complete the other",
  sql: (session) => `select isolation.complete('${session}', 'other')`,
};

/** A task is enqueued that depends on a running one. */
export const insertDependant: Operation = {
  name: "insert a dependent",
  sql: (session) =>
    `select isolation.insert_dependant('child of ${session}', 'running')`,
};

/** All of them meet each other; a new way to change a task is added here. */
export const operations: readonly Operation[] = [
  ...[claim, claimAtHome, complete, completeOther, insertDependant],
  {
    name: "complete late",
    sql: (session) => `select isolation.complete('${session}', 'rescued')`,
  },
  {
    name: "fail",
    sql: (session) =>
      `select isolation.report('${session}', 'running', 'Failed')`,
  },
  {
    name: "report progress",
    sql: (session) =>
      `select isolation.report('${session}', 'running', 'In Progress')`,
  },
  {
    name: "hand back",
    sql: (session) =>
      `select isolation.report('${session}', 'running', 'Queued')`,
  },
  {
    name: "cancel",
    sql: (session) =>
      `select isolation.report('${session}', 'rescued', 'Cancelled')`,
  },
  {
    name: "reset",
    sql: () => "select isolation.patch('Queued', 'running', 'other')",
  },
  {
    name: "cancel all",
    sql: () =>
      "select isolation.patch('Cancelled', 'running', 'rescued', 'waiting')",
  },
  {
    name: "delete",
    sql: () => "delete from public.tasks where id = isolation.id('running')",
  },
  { name: "lower the limit", sql: () => "select isolation.set_limit(2)" },
  { name: "sweep", sql: () => "select fairlane_core.sweep() ->> 'released'" },
  { name: "reconcile", sql: () => "select fairlane_core.reconcile()" },
];
