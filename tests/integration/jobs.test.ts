import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { admin } from "../support/db.ts";
import { stack } from "../support/stack.ts";
import { reset } from "../support/world.ts";
import postgres from "postgres";

const MINUTE = 60_000;

let owner: postgres.Sql;

beforeAll(async () => {
  await reset();
  owner = postgres(stack().adminDbUrl, { max: 1, onnotice: () => {} });
});

afterAll(async () => {
  await setActive(false);
  await owner.end();
});

describe("pg_cron", () => {
  it("runs the jobs of each minute, which record what they did", async () => {
    await admin()`update queue.job_runs set ran_at = null, failed_at = null`;
    await setActive(true);
    await vi.waitUntil(async () => {
      const [runs] = await admin()<{ jobs: string[] }[]>`
        select array_agg(job order by job) as jobs
        from queue.job_runs
        where ran_at is not null and failed_at is null
      `;
      return runs?.jobs?.includes("sweep") && runs.jobs.includes("rescue");
    }, { timeout: 1.5 * MINUTE, interval: 500 });
    const failed = await owner`
      select command, return_message from cron.job_run_details
      where status = 'failed' and command like '%queue.%'
    `;
    expect([...failed]).toEqual([]);
  }, 2 * MINUTE);
});

async function setActive(active: boolean): Promise<void> {
  await owner`
    select cron.alter_job(jobid, active := ${active})
    from cron.job
    where jobname in ('queue-sweep', 'queue-rescue')
  `;
}
