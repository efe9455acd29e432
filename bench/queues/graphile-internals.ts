import type { Sql } from "postgres";

/** A row that graphile-worker hands to a task. */
export interface GraphileJob {
  id: string;
  job_queue_id: number | null;
  payload: { user: string };
}

/** The part of a `pg` client that graphile-worker's statements use. */
interface PgClient {
  query(statement: {
    text: string;
    values: unknown[];
    name?: string;
  }): Promise<{ rows: unknown[] }>;
}

/** How graphile-worker asks for a connection. */
interface WithPgClient {
  <T>(work: (client: PgClient) => Promise<T>): Promise<T>;
  withRetries<T>(work: (client: PgClient) => Promise<T>): Promise<T>;
}

/** The three functions that its workers are made of. */
interface Internals {
  processSharedOptions(options: object): object;
  batchGetJobs(
    options: object,
    withPgClient: WithPgClient,
    tasks: object,
    poolId: string,
    flagsToSkip: null,
    count: number,
  ): Promise<GraphileJob[]>;
  batchCompleteJobs(
    options: object,
    withPgClient: WithPgClient,
    poolId: string,
    jobs: GraphileJob[],
  ): Promise<void>;
}

/**
 * graphile-worker exports only whole workers. To time its fetch by itself, its
 * own statements are taken from inside the package, not copied from it.
 */
export async function graphileInternals(): Promise<Internals> {
  const inside = (file: string) =>
    import(new URL(file, import.meta.resolve("graphile-worker")).href);
  const [lib, getJobs, completeJobs] = await Promise.all([
    inside("./lib.js"),
    inside("./sql/getJobs.js"),
    inside("./sql/completeJobs.js"),
  ]);
  return { ...lib, ...getJobs, ...completeJobs } as Internals;
}

/** Runs graphile-worker's statements, prepared where it wants them to be. */
export function withPgClient(sql: Sql): WithPgClient {
  const client: PgClient = {
    async query({ text, values, name }) {
      const rows = await sql.unsafe(text, values as never[], {
        prepare: name !== undefined,
      });
      return { rows: [...rows] };
    },
  };
  const run = <T>(work: (client: PgClient) => Promise<T>) => work(client);
  return Object.assign(run, { withRetries: run });
}
