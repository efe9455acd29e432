import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { admin } from "../support/db.ts";
import { stack } from "../support/stack.ts";
import { reset } from "../support/world.ts";
import postgres from "postgres";

const MINUTE = 60_000;

/** The jobs of the test, with their schedules as shipped. */
const JOBS = {
  "fairlane-sweep": "* * * * *",
  "fairlane-rescue": "* * * * *",
  "fairlane-cleanup": "*/10 * * * *",
  "fairlane-purge": "7 * * * *",
};

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
  it(
    "runs jobs in one transaction and in many, which record what they did",
    async () => {
      await admin()`update fairlane_core.job_runs set ran_at = null, failed_at = null`;
      await setActive(true);
      await vi.waitUntil(async () => {
        const [runs] = await admin()<{ jobs: string[] }[]>`
        select array_agg(job order by job) as jobs
        from fairlane_core.job_runs
        where ran_at is not null and failed_at is null
      `;
        return ["sweep", "rescue", "cleanup", "purge"].every((job) =>
          runs?.jobs?.includes(job)
        );
      }, { timeout: 5 * MINUTE, interval: 500 });
      const failed = await owner`
      select command, return_message from cron.job_run_details
      where status = 'failed' and command like '%queue.%'
    `;
      expect([...failed]).toEqual([]);
    },
    6 * MINUTE,
  );
});

/** Lets them run each minute, or leaves them as they were. */
async function setActive(active: boolean): Promise<void> {
  for (const [name, schedule] of Object.entries(JOBS)) {
    await owner`
      select cron.alter_job(
        jobid, schedule := ${
      active ? "* * * * *" : schedule
    }, active := ${active}
      )
      from cron.job
      where jobname = ${name}
    `;
  }
}
