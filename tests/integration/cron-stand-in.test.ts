import type postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type CronWorld, makeCronWorld } from "./cron-world.ts";

let world: CronWorld;
let owner: postgres.Sql;
let superuser: postgres.Sql;

beforeAll(async () => {
  world = await makeCronWorld("stand-in");
  ({ owner, superuser } = world);
});
beforeEach(() => world.empty());
afterAll(() => world?.discard());

async function jobs() {
  return [
    ...await owner`
      select jobname, schedule, command, username, active from cron.job
      order by jobid
    `,
  ];
}

/** Whether a job of that schedule begins a run in (since, until]. */
async function isDue(
  schedule: string,
  since: string,
  until: string,
): Promise<boolean> {
  await superuser`truncate cron.job`;
  await owner`select cron.schedule('job', ${schedule}, 'select 1')`;
  const runs = await superuser`
    select from cron.begin_due_runs(${since}::timestamptz, ${until}::timestamptz)
  `;
  return runs.length === 1;
}

describe("cron.schedule(), alter_job(), unschedule()", () => {
  it("pass for a pg_cron that knows seconds", async () => {
    const [found] = await owner`
      select extversion from pg_extension where extname = 'pg_cron'
    `;
    expect(found).toEqual({ extversion: "1.6" });
    await owner`create extension if not exists pg_cron`;
  });

  it("keep one job per name and user", async () => {
    const [first] = await owner`select cron.schedule('a', '* * * * *', 'one')`;
    const [again] = await owner`select cron.schedule('a', '1 2 * * *', 'two')`;
    expect(again).toEqual(first);
    await superuser`select cron.schedule('a', '3 4 * * *', 'three')`;
    const common = { jobname: "a", active: true };
    expect(await jobs()).toEqual([
      {
        ...common,
        schedule: "1 2 * * *",
        command: "two",
        username: "postgres",
      },
      {
        ...common,
        schedule: "3 4 * * *",
        command: "three",
        username: "supabase_admin",
      },
    ]);
  });

  it("leave the table itself to the superuser", async () => {
    await owner`select cron.schedule('a', '* * * * *', 'one')`;
    await expect(owner`update cron.job set command = 'two'`)
      .rejects.toThrow("permission denied");
  });

  it("change and remove a job, by its owner or a superuser", async () => {
    const [{ id = 0 } = {}] = await owner<{ id: number }[]>`
      select cron.schedule('a', '* * * * *', 'one')::integer as id
    `;
    await superuser`select cron.alter_job(${id}, active := false)`;
    expect(await jobs()).toMatchObject([{ active: false, command: "one" }]);
    await owner`select cron.alter_job(${id}, command := 'two', active := true)`;
    expect(await jobs()).toMatchObject([{ active: true, command: "two" }]);
    await owner`select cron.unschedule('a')`;
    expect(await jobs()).toEqual([]);
    await expect(owner`select cron.unschedule('a')`).rejects.toThrow("'a'");
  });

  it("let nobody change the jobs of others", async () => {
    await superuser`select cron.schedule('a', '* * * * *', 'one')`;
    await expect(owner`select cron.unschedule('a')`).rejects.toThrow("'a'");
  });

  it.each([
    "",
    "* * * *",
    "60 * * * *",
    "* * 0 * *",
    "*/0 * * * *",
    "5-1 * * * *",
    "0 seconds",
    "60 seconds",
    "mon * * * *",
  ])(
    "refuse the schedule %j",
    async (schedule) => {
      await expect(owner`select cron.schedule('a', ${schedule}, 'select 1')`)
        .rejects.toThrow(`invalid schedule: ${schedule}`);
    },
  );
});

describe("cron.begin_due_runs()", () => {
  // 2026-11-29 is a Sunday.
  it.each([
    ["* * * * *", "2026-11-29 10:20:00", true],
    ["20 10 * * *", "2026-11-29 10:20:00.7", true],
    ["21 10 * * *", "2026-11-29 10:20:00", false],
    ["20 11 * * *", "2026-11-29 10:20:00", false],
    ["*/10 * * * *", "2026-11-29 10:20:00", true],
    ["*/9 * * * *", "2026-11-29 10:20:00", false],
    ["10-30/5,7 * * * *", "2026-11-29 10:20:00", true],
    ["20 10 * 11 0", "2026-11-29 10:20:00", true],
    ["20 10 * * 7", "2026-11-29 10:20:00", true],
    ["20 10 * * 1-5", "2026-11-29 10:20:00", false],
    ["20 10 28 * *", "2026-11-29 10:20:00", false],
    ["20 10 28 * 0", "2026-11-29 10:20:00", true],
    ["20 10 29 12 *", "2026-11-29 10:20:00", false],
  ])("runs %s at %s: %s", async (schedule, at, expected) => {
    expect(await isDue(schedule, "2026-11-29 10:19:59.9 UTC", `${at} UTC`))
      .toBe(expected);
  });

  it("begins a minute's jobs once, at its start", async () => {
    const [since, until] = ["2026-11-29 10:20:00", "2026-11-29 10:20:59"];
    expect(await isDue("* * * * *", `${since} UTC`, `${until} UTC`)).toBe(
      false,
    );
  });

  it("begins a job of seconds when so many have passed since its last", async () => {
    await owner`select cron.schedule('job', '20 seconds', 'select 1')`;
    const runsAt = async (time: string) => {
      const at = `2026-11-29 ${time} UTC`;
      const runs = await superuser`
        select cron.end_run(runid, 'succeeded', '')
        from cron.begin_due_runs(${at}::timestamptz, ${at}::timestamptz)
      `;
      return runs.length;
    };
    expect(await runsAt("10:20:05")).toBe(1);
    expect(await runsAt("10:20:24")).toBe(0);
    expect(await runsAt("10:20:25")).toBe(1);
  });

  it("leaves alone what is off or still runs", async () => {
    await owner`select cron.schedule('on', '1 second', 'select 1')`;
    await owner`select cron.schedule('off', '1 second', 'select 1')`;
    await superuser`
      select cron.alter_job(jobid, active := false) from cron.job
      where jobname = 'off'
    `;
    const runsAt = async (time: string) => {
      const at = `2026-11-29 ${time} UTC`;
      const runs = await superuser`
        select from cron.begin_due_runs(${at}::timestamptz, ${at}::timestamptz)
      `;
      return runs.length;
    };
    expect(await runsAt("10:20:05")).toBe(1);
    expect(await runsAt("10:20:15")).toBe(0);
    await superuser`select cron.end_lost_runs()`;
    expect(
      await superuser`select status, return_message from cron.job_run_details`,
    ).toEqual([{ status: "failed", return_message: "server restarted" }]);
    expect(await runsAt("10:20:25")).toBe(1);
  });
});
