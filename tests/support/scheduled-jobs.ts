import { admin, type Connection } from "./db.ts";

/** Sends what pg_cron sends for this job, in the way in which it does. */
export async function runAsScheduled(
  sql: Connection,
  name: string,
): Promise<void> {
  const [job] = await admin()<{ command: string }[]>`
    select command from cron.job where jobname = ${name}
  `;
  if (job === undefined) throw new Error(`There is no job ${name}`);
  await sql.unsafe(job.command).simple();
}
