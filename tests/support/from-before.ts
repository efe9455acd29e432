import type { TransactionSql } from "postgres";
import { admin } from "./db.ts";

/** Writes tasks as they may be there from before a rule was made. */
export async function fromBefore(
  write: (sql: TransactionSql) => Promise<unknown>,
): Promise<void> {
  await admin().begin(async (sql) => {
    await sql`alter table public.tasks disable trigger tasks_before_insert`;
    await sql`alter table public.tasks disable trigger tasks_before_update`;
    await write(sql);
    await sql`alter table public.tasks enable trigger tasks_before_insert`;
    await sql`alter table public.tasks enable trigger tasks_before_update`;
  });
}
