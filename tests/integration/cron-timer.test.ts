import type postgres from "postgres";
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  vi,
} from "vitest";
import { type CronTimer, startCronTimer } from "../../stack/cron/timer.ts";
import { until } from "../support/sessions.ts";
import { type CronWorld, makeCronWorld } from "./cron-world.ts";

let world: CronWorld;
let owner: postgres.Sql;

beforeAll(async () => {
  world = await makeCronWorld("timer");
  ({ owner } = world);
});
beforeEach(() => world.empty());
afterAll(() => world?.discard());

describe("startCronTimer()", () => {
  let timer: CronTimer | undefined;
  const start = () => {
    const said: string[] = [];
    timer = startCronTimer(world.server, (line) => said.push(line));
    return said;
  };
  const runs = async () => [
    ...await owner`
      select status, return_message, command, end_time >= start_time as ended
      from cron.job_run_details order by runid
    `,
  ];
  const untilRan = (count: number) =>
    until(`${count} runs`, async () => {
      const ended = (await runs()).filter((run) => run["ended"]);
      return ended.length >= count;
    });

  it("runs a job as its owner, and records what came of it", async () => {
    const command = "insert into public.marks values (now(), current_user)";
    await owner`select cron.schedule('mark', '59 seconds', ${command})`;
    await owner`select cron.schedule('fail', '59 seconds', 'select nosuch()')`;
    const said = start();
    await untilRan(2);
    await timer?.stop();
    expect(await owner`select by from public.marks`).toEqual([{
      by: "postgres",
    }]);
    expect(await runs()).toEqual([
      { status: "succeeded", return_message: "1 row", command, ended: true },
      {
        status: "failed",
        return_message: "function nosuch() does not exist",
        command: "select nosuch()",
        ended: true,
      },
    ]);
    expect(said).toEqual([]);
  });

  it("goes on after the server has crashed in the middle of a run", async () => {
    await owner`select cron.schedule('job', '1 second', 'select pg_sleep(60)')`;
    start();
    const sleeping = () =>
      owner<{ pid: number }[]>`
        select pid from pg_stat_activity where query = 'select pg_sleep(60)'
      `;
    await until("it sleeps", async () => (await sleeping()).length === 1);
    // A crash takes along what no commit has waited for.
    await owner`set synchronous_commit = on`;
    await owner`
      select cron.alter_job(jobid, command := 'select 1') from cron.job
    `;
    const [session] = await sleeping();
    process.kill(session?.pid ?? 0, "SIGKILL");
    await vi.waitUntil(
      () =>
        owner`select from cron.job_run_details where status = 'succeeded'`
          .then((rows) => rows.length > 0, () => false),
      { timeout: 120_000 },
    );
    await timer?.stop();
    const command = "select pg_sleep(60)";
    expect((await runs())[0]).toMatchObject({ status: "failed", command });
  });

  it("waits at its stop for what runs", async () => {
    const command = "select pg_sleep(0.3)";
    await owner`select cron.schedule('slow', '59 seconds', ${command})`;
    start();
    await until("it runs", async () => (await runs()).length === 1);
    await timer?.stop();
    expect(await runs()).toMatchObject([{ status: "succeeded" }]);
  });
});
