import postgres from "postgres";

/**
 * Stops the queue's jobs of pg_cron on a test stack: tests move the clock, and
 * a job that fell into the middle of one would act on that clock. What the jobs
 * do is called by hand; that pg_cron calls them has a test of its own. And none
 * of them is ever late, or claims would do their work.
 */
export async function pauseJobs(adminDbUrl: string): Promise<void> {
  const sql = postgres(adminDbUrl, { max: 1, onnotice: () => {} });
  try {
    await sql`
      select cron.alter_job(jobid, active := false)
      from cron.job
      where jobname like 'queue-%'
    `;
    await sql`update queue.job_runs set period = interval '1000 years'`;
  } finally {
    await sql.end();
  }
}
