import { query } from "./query.ts";

/** How often a function was called: in all, and by requests to the API. */
export interface CallCount {
  readonly name: string;
  readonly isApi: boolean;
  readonly calls: number;
  readonly callsOverHttp: number;
}

const COUNT = `
  select
    p.oid::regprocedure::text as name,
    n.nspname = 'public' as "isApi",
    coalesce(s.calls, 0)::integer as calls
  from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    left join pg_catalog.pg_stat_user_functions as s on s.funcid = p.oid
  where n.nspname in ('public', 'fairlane_core')
  order by 1
`;

interface Count {
  readonly name: string;
  readonly isApi: boolean;
  readonly calls: number;
}

/** Counts, on the server, which functions the suites execute. */
export class FunctionCalls {
  readonly #adminDbUrl: string;
  #callsBeforeHttp: ReadonlyMap<string, number> | undefined;

  constructor(adminDbUrl: string) {
    this.#adminDbUrl = adminDbUrl;
  }

  /** Begins to count, also in sessions that are open already. */
  async start(): Promise<void> {
    await query(
      this.#adminDbUrl,
      "alter system set track_functions = 'all'",
    );
    await query(this.#adminDbUrl, "select pg_reload_conf()");
  }

  /**
   * From here on, calls come from the API, in the roles of its callers. Each
   * suite that sends requests says so, whichever is the first on its stack.
   */
  async beginHttp(): Promise<void> {
    if (this.#callsBeforeHttp) return;
    const counts = await query<Count>(this.#adminDbUrl, COUNT);
    this.#callsBeforeHttp = new Map(counts.map((row) => [row.name, row.calls]));
    await query(this.#adminDbUrl, "select pg_stat_reset()");
  }

  /** What was executed since the start. Ends the API's sessions. */
  async read(): Promise<CallCount[]> {
    // A session reports its last calls when it is idle for long, or ends.
    await query(
      this.#adminDbUrl,
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity
       where usename = 'authenticator'`,
    );
    const counts = await query<Count>(this.#adminDbUrl, COUNT);
    return counts.map((row) => ({
      name: row.name,
      isApi: row.isApi,
      calls: row.calls + (this.#callsBeforeHttp?.get(row.name) ?? 0),
      // A stack that no request was sent to.
      callsOverHttp: this.#callsBeforeHttp ? row.calls : 0,
    }));
  }
}

/** What several stacks counted, as one. */
export function sumOf(
  stacks: readonly (readonly CallCount[])[],
): CallCount[] {
  const sums = new Map<string, CallCount>();
  for (const count of stacks.flat()) {
    const sum = sums.get(count.name);
    sums.set(count.name, {
      ...count,
      calls: count.calls + (sum?.calls ?? 0),
      callsOverHttp: count.callsOverHttp + (sum?.callsOverHttp ?? 0),
    });
  }
  return [...sums.values()];
}
