import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";
import postgres from "postgres";

const MINUTE = 60_000;

let owner: postgres.Sql;
/** The queue's jobs with their schedules as shipped. */
let jobs: { id: number; schedule: string }[];
/** The last run before the test's. */
let before: string;
/** A task that nobody works on any more. */
let orphan: string;

beforeAll(async () => {
  await reset();
  owner = postgres(stack().adminDbUrl, { max: 1, onnotice: () => {} });
  jobs = [
    ...await owner<typeof jobs>`
      select jobid::integer as id, schedule from cron.job
      where jobname like 'fairlane-%'
    `,
  ];
  // Nobody is judged by silence right after a start of the database.
  await stepClock("1 day");
  orphan = await createTask(await createOwner());
  await startTask(orphan, "gpu-that-fell-silent");
  await admin()`
    insert into public.workers (id, status, last_heartbeat)
    values ('gpu-that-fell-silent', 'active', fairlane_core.now())
  `;
  await stepClock("10 minutes");
  await admin()`update fairlane_core.job_runs set ran_at = null, failed_at = null`;
  // pg_cron calls those failed that were about to begin when their job was paused.
  const [last] = await owner<{ runid: string }[]>`
    select coalesce(max(runid), 0) as runid from cron.job_run_details
  `;
  before = last?.runid ?? "0";
  for (const { id } of jobs) await setJob(id, "* * * * *", true);
});

afterAll(async () => {
  for (const { id, schedule } of jobs) await setJob(id, schedule, false);
  await resetClock();
  await owner.end();
});

describe("pg_cron", () => {
  it(
    "runs jobs in one transaction and in many, which record what they did",
    async () => {
      await vi.waitFor(async () => {
        const left = await admin()`
          select j.job, r.result
          from fairlane_core.jobs() as j
            left join fairlane_core.job_runs as r on r.job = j.job
          where r.ran_at is null or r.failed_at is not null
        `;
        expect([...left]).toEqual([]);
      }, { timeout: 5 * MINUTE, interval: 500 });
      const failed = await owner`
        select command, return_message from cron.job_run_details
        where status = 'failed' and command like '%fairlane_core.%' and runid > ${before}
      `;
      expect([...failed]).toEqual([]);
    },
    6 * MINUTE,
  );

  it(
    "brings back the task of a worker that has fallen silent, without any call",
    async () => {
      await vi.waitFor(
        async () =>
          expect(await readTask(orphan)).toMatchObject({ status: "Queued" }),
        { timeout: 5 * MINUTE, interval: 500 },
      );
      const events = await admin()`
        select actor from public.task_events
        where task_id = ${orphan} and to_status = 'Queued'
          and from_status = 'In Progress'
      `;
      expect([...events]).toEqual([{ actor: "fairlane_core.rescue" }]);
    },
    6 * MINUTE,
  );
});

function setJob(id: number, schedule: string, active: boolean) {
  return owner`
    select cron.alter_job(${id}, schedule := ${schedule}, active := ${active})
  `;
}
