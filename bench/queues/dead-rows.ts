import type { Sql } from "postgres";
import { z } from "zod";

const Rows = z.tuple([z.object({ dead: z.coerce.number() })]);

/** Sends what this session has counted to the server's statistics now. */
export async function flushStatistics(sql: Sql): Promise<void> {
  await sql`select pg_stat_force_next_flush()`;
}

/** Dead rows in these tables (or all of a schema's: `pgboss.*`). */
export async function countDeadRows(
  sql: Sql,
  tables: readonly string[],
): Promise<number> {
  await sql`select pg_stat_clear_snapshot()`;
  const [{ dead }] = Rows.parse(
    await sql`
      select coalesce(sum(s.n_dead_tup), 0) as dead
      from pg_stat_user_tables as s
      where s.schemaname || '.' || s.relname = any (${[...tables]})
        or s.schemaname || '.*' = any (${[...tables]})`,
  );
  return dead;
}
