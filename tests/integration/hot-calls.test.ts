import postgres from "postgres";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { admin } from "../support/db.ts";
import { stack } from "../support/stack.ts";
import { createOwner, createTask, readTask, reset } from "../support/world.ts";

const Calls = z.array(z.object({ name: z.string(), calls: z.coerce.number() }));

// Only the owner of the database may count calls.
const owner = postgres(stack().adminDbUrl, { max: 1, onnotice: () => {} });

beforeEach(reset);
afterAll(() => owner.end());

// What a call costs is mostly how many functions and statements it runs. These
// are what the plain cases can do without (bench/results.md).
describe("the plain case of a hot call", () => {
  it("is one statement for a claim with a new claim_id", async () => {
    const task = await createTask(await createOwner());
    const ran = await ranBy(CLAIM, ["claim-1"]);
    expect(ran).toContain("claim_next_task");
    expect(ran).not.toContain("claim_general");
    expect(await claimIdOf(task)).toBe("claim-1");
    expect(await ranBy(CLAIM, ["claim-1"])).toContain("repeat_claim");
  });

  it("is the rows of worker and task for a heartbeat", async () => {
    const task = await createTask(await createOwner());
    await ranBy(CLAIM, [null]);
    expect(await readTask(task))
      .toMatchObject({ status: "In Progress", delivered_at: null });
    const ran = await ranBy(BEAT, [task]);
    expect(ran).toContain("show_signs_of_life");
    expect(ran).not.toContain("tasks_before_update");
    expect(ran).not.toContain("tasks_after_update");
    expect(ran).not.toContain("store_logs");
    expect(await readTask(task))
      .toMatchObject({ delivered_at: expect.any(Date) });
  });

  it("is one statement for a completion, and reads no description", async () => {
    const task = await createTask(await createOwner());
    await ranBy(CLAIM, [null]);
    expect(await readTask(task)).toMatchObject({ status: "In Progress" });
    const ran = await ranBy(COMPLETE, [task]);
    expect(ran).toContain("complete_task");
    expect(ran).not.toContain("complete_general");
    expect(ran).not.toContain("tasks_before_update");
    expect(ran).not.toContain("tasks_after_update");
    const again = await ranBy(COMPLETE, [task]);
    expect(again).toContain("complete_general");
    expect(again).toContain("record_report");
    expect(again).not.toContain("own_file");
  });
});

const SERVICE = `'{"kind": "service"}'::jsonb`;
const CLAIM =
  `select public.claim_next_task(${SERVICE}, 'gpu-1', 'gpu', $1::text)`;
const COMPLETE =
  `select public.complete_task(${SERVICE}, $1::uuid, 'https://example.com/a')`;
const BEAT = `select public.func_worker_heartbeat_with_logs(
  json_build_object('worker_id_param', 'gpu-1', 'current_task_id_param', $1::uuid)
)`;

/** The queue's functions that this call runs, as the service key's role. */
async function ranBy(call: string, args: (string | null)[]): Promise<string[]> {
  return await owner.begin(async (sql) => {
    const calls = async () =>
      Calls.parse(
        await sql`
          select funcname as name, calls from pg_stat_xact_user_functions
          where schemaname = 'fairlane_core'`,
      );
    await sql`set local track_functions = 'all'`;
    // A session may not have reported its last transactions yet.
    const before = new Map((await calls()).map((f) => [f.name, f.calls]));
    await sql`set local role service_role`;
    await sql.unsafe(call, args);
    await sql`reset role`;
    return (await calls())
      .filter((f) => f.calls > (before.get(f.name) ?? 0))
      .map((f) => f.name);
  });
}

async function claimIdOf(task: string): Promise<unknown> {
  const [row] = await admin()`
    select claim_id from public.tasks where id = ${task}`;
  return row?.["claim_id"];
}
