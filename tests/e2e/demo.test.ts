import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Run, runDemo } from "../../demo/run.ts";
import { checkPromises } from "../../demo/summary/check.ts";
import { stack } from "../support/stack.ts";
import { reset } from "../support/world.ts";

const OPTIONS = { speed: 30, users: 3, workers: 4, tasks: 20, seed: 1 };
const A_RUN_MS = 300_000;

/** One connection, for transactions that are taken back. */
let sql: postgres.Sql;
let run: Run;
const printed: string[] = [];

// One run for all tests: it takes longer than they do.
beforeAll(async () => {
  await reset();
  sql = postgres(stack().adminDbUrl, { max: 1, onnotice: () => {} });
  const print = (line: string) => printed.push(line);
  const never = new AbortController().signal;
  run = await runDemo(stack(), sql, OPTIONS, print, never);
}, A_RUN_MS);

afterAll(async () => {
  await sql?.end({ timeout: 5 });
});

describe("npm run demo", () => {
  it("drains the queue, and the database agrees with what it heard", async () => {
    const findings = await checkPromises(sql, run);
    const broken = findings.filter(({ holds }) => !holds)
      .map(({ promise, heard, stored }) => `${promise}: ${heard} / ${stored}`);
    expect(broken).toEqual([]);
    expect(findings).toHaveLength(7);
    // 20 by users, and four children of each of two jobs.
    expect(findings[0]).toMatchObject({
      heard: "28 = 27 + 1 + 0",
      stored: "28 = 27 + 1 + 0",
    });
  });

  it("shows the death, the rescue and the second start", () => {
    const story = printed.filter((line) => !line.includes(" claimable "))
      .map((line) => line.replace(/^\d+:\d+ /, ""));
    expect(story).toEqual(expect.arrayContaining([
      expect.stringMatching(/^cloud-\d+ dies with .* in hand/),
      expect.stringMatching(/^The rescue puts \d+ back/),
      expect.stringMatching(/ takes .*, start [23]$/),
      expect.stringMatching(/ finishes .*, start [23]$/),
    ]));
  });

  it("leaves the queue's settings as they were", async () => {
    const [settings] = await sql`
      select gpu_heartbeat_timeout::text, retry_delay::text from fairlane_core.settings
    `;
    expect(settings).toEqual({
      gpu_heartbeat_timeout: "00:01:40",
      retry_delay: "00:00:10",
    });
  });
});

/** What the worker that died had in hand. */
function lost() {
  const { lostStart } = run.ledger;
  if (lostStart === undefined) throw new Error("Nobody died");
  return lostStart;
}

/** What the check finds when the database says something that is not so. */
async function brokenBy(lie: () => Promise<unknown>): Promise<string[]> {
  await sql`begin`;
  try {
    // Past the queue's own triggers, which would put most of it right.
    await sql`set local session_replication_role = replica`;
    await lie();
    const findings = await checkPromises(sql, run);
    return findings.filter(({ holds }) => !holds).map((one) => one.promise);
  } finally {
    await sql`rollback`;
  }
}

/** Totals of ended tasks are counters too: they say that an end is missing. */
const COUNTERS = "the counters are what is there";

describe("the demo's summary", () => {
  const lies: [string, string[], () => Promise<unknown>][] = [
    [
      "a generation is gone",
      ["one generation per result"],
      () =>
        sql`delete from public.generations where id in (
          select id from public.generations limit 1
        )`,
    ],
    [
      "there is a generation of no task",
      ["one generation per result"],
      () => sql`insert into public.generations (type) values ('video')`,
    ],
    [
      "a task is queued after all",
      ["in = Complete+Failed+Cancelled", "one generation per result", COUNTERS],
      () =>
        sql`update public.tasks set status = 'Queued' where id in (
          select task_id from public.generations limit 1
        )`,
    ],
    [
      "a task that nobody enqueued has failed",
      ["in = Complete+Failed+Cancelled", COUNTERS],
      () =>
        sql`insert into public.tasks (id, task_type, status)
          values (gen_random_uuid(), 'unknown', 'Failed')`,
    ],
    [
      "a user once had more running than slots",
      ["no user above the limit, ever"],
      () =>
        sql`insert into public.task_events (task_id, user_id, at, from_status, to_status, attempt, actor)
          select t.id, t.user_id, now(), 'Queued', 'In Progress', 1, 'service'
          from public.tasks as t
          where t.takes_slot and t.id <> ${lost().taskId}`,
    ],
    [
      "a task was completed twice",
      ["no task finished twice", COUNTERS],
      () =>
        sql`insert into public.task_events (task_id, user_id, at, from_status, to_status, attempt, actor)
          select t.id, t.user_id, now(), 'Failed', 'Complete', 1, 'service'
          from public.tasks as t
          where t.status = 'Complete'
          limit 1`,
    ],
    [
      "a task was started too often",
      ["no more starts than allowed"],
      () => sql`update public.tasks set attempts = 9 where status = 'Failed'`,
    ],
    [
      "the dead worker has finished its task itself",
      ["lost work is done by another"],
      () =>
        sql`update public.task_events set worker_id = ${lost().workerId}
          where task_id = ${lost().taskId} and to_status = 'Complete'`,
    ],
    [
      "a counter has drifted",
      [COUNTERS],
      () => sql`update fairlane_core.user_slots set running = running + 1`,
    ],
  ];

  it.each(lies)("notices that %s", async (_what, promises, lie) => {
    expect(await brokenBy(lie)).toEqual(promises);
  });
});
