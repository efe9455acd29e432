/** Something that happens to the queue, by itself in a transaction. */
export interface Operation {
  readonly name: string;
  /** The statement, for the session that runs it. */
  sql(session: string): string;
}

/** All of them meet each other; a new way to change a task is added here. */
export const operations: readonly Operation[] = [
  { name: "claim", sql: (s) => `select isolation.claim('${s}')` },
  {
    name: "claim by token",
    sql: (s) => `select isolation.claim_at_home('${s}')`,
  },
  {
    name: "complete",
    sql: (s) => `select isolation.complete('${s}', 'running')`,
  },
  {
    name: "complete late",
    sql: (s) => `select isolation.complete('${s}', 'rescued')`,
  },
  {
    name: "finish the other dependency",
    sql: (s) => `select isolation.complete('${s}', 'other')`,
  },
  {
    name: "fail",
    sql: (s) => `select isolation.report('${s}', 'running', 'Failed')`,
  },
  {
    name: "report progress",
    sql: (s) => `select isolation.report('${s}', 'running', 'In Progress')`,
  },
  {
    name: "hand back",
    sql: (s) => `select isolation.report('${s}', 'running', 'Queued')`,
  },
  {
    name: "cancel",
    sql: (s) => `select isolation.report('${s}', 'rescued', 'Cancelled')`,
  },
  {
    name: "reset by PATCH",
    sql: () => "select isolation.patch('Queued', 'running', 'other')",
  },
  {
    name: "cancel all by PATCH",
    sql: () =>
      "select isolation.patch('Cancelled', 'running', 'rescued', 'waiting')",
  },
  {
    name: "insert a dependant",
    sql: (s) => `select isolation.insert_dependant('${s}', 'running')`,
  },
  {
    name: "delete",
    sql: () => "delete from public.tasks where id = isolation.id('running')",
  },
  { name: "lower the limit", sql: () => "select isolation.set_limit(2)" },
  { name: "sweep", sql: () => "select queue.sweep() ->> 'released'" },
  { name: "reconcile", sql: () => "select queue.reconcile()" },
];
