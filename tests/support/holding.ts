import { adminConnection, type Connection } from "./db.ts";
import type { Owner } from "./world.ts";

/** A transaction that is left open after this statement. */
export async function leaveOpen(
  statement: (sql: Connection) => Promise<unknown>,
): Promise<Connection> {
  const sql = adminConnection();
  await sql`begin`;
  await statement(sql);
  return sql;
}

/** A transaction that holds this owner and has not ended. */
export function holdOwner(owner: Owner): Promise<Connection> {
  return leaveOpen((sql) =>
    sql`select from fairlane_core.user_slots where user_id = ${owner.id} for no key update`
  );
}

/** A transaction that changes these tasks and has not ended. */
export function holdTasks(...ids: readonly string[]): Promise<Connection> {
  return leaveOpen((sql) =>
    sql`
      select from public.tasks where id = any (${[...ids]}::uuid[])
      for no key update
    `
  );
}

/** Whether a transaction is still open: what it held when an answer came. */
export async function isOpen(holder: Connection): Promise<boolean> {
  const [row] = await holder<{ held: boolean }[]>`
    select exists (
      select from pg_catalog.pg_locks as l
      where l.pid = pg_backend_pid()
        and l.granted
        and l.locktype in ('relation', 'transactionid', 'advisory')
        and l.relation is distinct from 'pg_catalog.pg_locks'::regclass
        and l.mode <> 'AccessShareLock'
    ) as held
  `;
  return row?.held ?? false;
}
