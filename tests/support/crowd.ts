import process from "node:process";
import { admin, type Connection } from "./db.ts";
import { size } from "./size.ts";

/**
 * How many hang on one row: more than anything looks at in one transaction.
 * `CROWD=100000` measures the same, and prints what each statement wrote and
 * read (with `--testTimeout 600000 --hookTimeout 600000`).
 */
export const CROWD = Number(process.env["CROWD"] ?? 1100);

/** As many as a user may have queued, or a quarter of them. */
export const MOST_QUEUED = size(2_500, 10_000);

/** Rows that a transaction wrote and read, for all tables together. */
export interface Touched {
  readonly written: number;
  readonly read: number;
}

/**
 * Runs something in a transaction and counts the rows that it touches. In a
 * session of its own: what one did just before may still be counted.
 */
export async function touchedBy(
  sql: Connection,
  run: (sql: Connection) => Promise<unknown>,
): Promise<Touched> {
  await sql`begin`;
  await run(sql);
  const [seen] = await sql<Touched[]>`
    select
      sum(n_tup_ins + n_tup_upd + n_tup_del)::integer as written,
      sum(coalesce(idx_tup_fetch, 0) + seq_tup_read)::integer as read
    from pg_catalog.pg_stat_xact_user_tables
  `;
  await sql`commit`;
  if (process.env["CROWD"] !== undefined) console.log(CROWD, seen);
  return seen ?? { written: 0, read: 0 };
}

/** How many rows it writes. */
export async function writtenBy(
  sql: Connection,
  run: (sql: Connection) => Promise<unknown>,
): Promise<number> {
  return (await touchedBy(sql, run)).written;
}

/** Works off what endings have left to do; how many pieces it took. */
export async function settleAll(): Promise<number> {
  for (let pieces = 0;; pieces++) {
    const [piece] = await admin()<{ settled: number; finished: number }[]>`
      select (r ->> 'settled')::integer as settled,
        (r ->> 'finished')::integer as finished
      from fairlane_core.settle_deferred() as r
    `;
    if (!piece || piece.settled + piece.finished === 0) return pieces;
  }
}

/** How many tasks there are per status and readiness. */
export async function countByState(): Promise<Record<string, number>> {
  const rows = await admin()<{ state: string; count: number }[]>`
    select concat_ws(' ', status, readiness) as state, count(*)::integer
    from public.tasks group by 1 order by 1
  `;
  return Object.fromEntries(rows.map((row) => [row.state, row.count]));
}
