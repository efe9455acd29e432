import type postgres from "postgres";
import { z } from "zod";
import { webRuntime } from "../../shared/client/runtime.ts";
import { EVERY, type Pace } from "../pace.ts";
import type { Story } from "../story.ts";

const RescueResult = z.looseObject({ requeue_lost: z.int().optional() });

/**
 * pg_cron in fast motion: it knows no less than a second, here not even less
 * than a minute, so its jobs are paused and called from here at the demo's pace.
 * They are the same functions; nothing else in the demo touches a task in SQL.
 */
export async function runJobs(
  sql: postgres.Sql,
  pace: Pace,
  story: Story,
  stop: AbortSignal,
): Promise<void> {
  await sql`
    select cron.alter_job(jobid, active := false)
    from cron.job
    where jobname like 'fairlane-%'
  `;
  while (!stop.aborted) {
    const rescued = RescueResult.parse(await runJob(sql, "rescue"));
    if (rescued.requeue_lost) story.putBack(rescued.requeue_lost);
    await runJob(sql, "sweep");
    await runJob(sql, "repair_orchestrations");
    await webRuntime.wait(pace.ms(EVERY.jobs), stop);
  }
}

async function runJob(sql: postgres.Sql, job: string): Promise<unknown> {
  const [run] = await sql<{ result: unknown }[]>`
    select fairlane_core.run_job(${job}) as result
  `;
  return run?.result;
}
