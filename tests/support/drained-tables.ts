import postgres from "postgres";
import { stack } from "./stack.ts";

/**
 * Gives tables and their indexes the statistics that an ANALYZE leaves when all
 * rows have gone and no VACUUM has come: pages without rows. To the planner they
 * stay empty, however many rows come next, until they are truncated or analyzed.
 */
export async function seemDrained(tables: readonly string[]): Promise<void> {
  await asSuperuser((sql) =>
    sql`
      update pg_catalog.pg_class as c
      set relpages = 200, reltuples = 0
      from pg_catalog.pg_index as i
      where i.indrelid = any (${[...tables]}::regclass[])
        and c.oid in (i.indrelid, i.indexrelid)
    `
  );
}

/**
 * Empties the dependencies after there were many, and rebuilds their primary
 * key: to the planner it is flat, and cheaper than the index by dependency,
 * whatever is asked for.
 */
export async function drainDependencies(): Promise<void> {
  await asSuperuser(async (sql) => {
    await sql`set session_replication_role = replica`;
    await sql`
      insert into fairlane_core.task_dependencies (task_id, depends_on)
      select gen_random_uuid(), gen_random_uuid() from generate_series(1, 5000)
    `;
    await sql`delete from fairlane_core.task_dependencies`;
    await sql`reindex index fairlane_core.task_dependencies_pkey`;
  });
}

async function asSuperuser(
  run: (sql: postgres.Sql) => Promise<unknown>,
): Promise<void> {
  const superuser = postgres(stack().adminDbUrl, {
    max: 1,
    onnotice: () => {},
  });
  try {
    await run(superuser);
  } finally {
    await superuser.end();
  }
}
