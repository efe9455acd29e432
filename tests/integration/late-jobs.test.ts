import postgres from "postgres";
import { describe, expect, it } from "vitest";
import { stack } from "../support/stack.ts";

// Whoever owns pg_cron takes it away; health runs as the queue's owner.
const lateSweep = `
  update fairlane_core.job_runs
  set period = '1 minute', ran_at = fairlane_core.now() - interval '10 minutes',
    failed_at = null
  where job = 'sweep'
`;

/** What is said of a late sweep once these statements have been run. */
async function reason(...statements: string[]): Promise<string> {
  const taken = new Error("taken back");
  const owner = postgres(stack().adminDbUrl, { max: 1, onnotice: () => {} });
  let message = "";
  await owner.begin(async (sql) => {
    await sql.unsafe(lateSweep);
    for (const statement of statements) await sql.unsafe(statement);
    const [row] = await sql<{ message: string }[]>`
      select public.health('{"kind": "service"}') #>> '{reasons,0,message}'
        as message
    `;
    message = row?.message ?? "";
    throw taken;
  }).catch((error: unknown) => {
    if (error !== taken) throw error;
  }).finally(() => owner.end());
  return message;
}

describe("health, when a job is late", () => {
  it("says that pg_cron is not installed", async () => {
    expect(await reason("drop extension pg_cron cascade"))
      .toMatch(/^Job sweep last ran at .*: pg_cron is not installed/);
  });

  it("asks about pg_cron where its tables are not to be read", async () => {
    expect(
      await reason(
        "revoke all on schema cron from postgres, public",
        "revoke all on cron.job from postgres, public",
        "revoke pg_read_all_data from postgres",
      ),
    ).toMatch(/: is pg_cron running\?$/);
  });
});
