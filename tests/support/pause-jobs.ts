import postgres from "postgres";

/**
 * Stops the queue's jobs of pg_cron on a test stack: tests move the clock, and
 * a job that fell into the middle of one would act on that clock. What the jobs
 * do is called by hand; that pg_cron calls them has a test of its own. And none
 * of them is ever late, or claims would do their work. With `mayResume` they
 * can be made active again.
 */
export async function pauseJobs(
  adminDbUrl: string,
  { mayResume = false } = {},
): Promise<void> {
  const sql = postgres(adminDbUrl, { max: 1, onnotice: () => {} });
  try {
    await sql`
      select cron.alter_job(jobid, active := false)
      from cron.job
      where jobname like 'fairlane-%'
    `;
    // Not by that alone: a whole run saw jobs begin minutes after the change. A launcher that has ended begins none;
    // it may not come back before the server does.
    if (!mayResume) {
      await sql`
        select pg_terminate_backend(pid)
        from pg_catalog.pg_stat_activity
        where backend_type = 'pg_cron launcher'
      `;
    }
    await sql`update fairlane_core.job_runs set period = interval '1000 years'`;
    // What had begun goes on for a while: tests would meet its locks.
    for (let running = 1; running > 0;) {
      const [row] = await sql<{ running: number }[]>`
        select count(*)::integer as running
        from pg_catalog.pg_stat_activity as a
        where a.pid <> pg_backend_pid()
          and a.state <> 'idle'
          and a.query ~ 'fairlane_core[.](begin_batches|run_job)'
      `;
      running = row?.running ?? 0;
      if (running > 0) await sql`select pg_sleep(0.05)`;
    }
  } finally {
    await sql.end();
  }
}
