import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { afterEach, expect, it } from "vitest";
import { checkoutDir } from "../../../stack/paths.ts";
import { type Stack, startStack } from "../../../stack/stack.ts";
import { jobsOf, SOUND, soundnessOf } from "./state.ts";

// Not by `supabase db reset --remote`: that drops and makes pg_cron anew as
// `postgres`, which hosted may do so, and here may not (docs/operations.md).
const stateDir = join(checkoutDir, ".stack", "test-reset");
let stack: Stack | undefined;

afterEach(async () => {
  await stack?.stop();
  rmSync(stateDir, { recursive: true, force: true });
});

it(
  "a reset of a used database ends in a sound queue with the seed alone",
  async () => {
    stack = await startStack({
      stateDir,
      fresh: true,
      seed: true,
      exposeNewTables: true,
    });
    const jobs = await ask(async (sql) => {
      await sql`delete from public.users`;
      const file = new URL("./used-queue.sql", import.meta.url);
      await sql.unsafe(readFileSync(file, "utf8"));
      return await jobsOf(sql);
    });

    await stack.reset();

    await ask(async (sql) => {
      expect(await soundnessOf(sql)).toMatchObject(SOUND);
      expect(await jobsOf(sql)).toEqual(jobs);
      const [rows] = await sql`
      select
        (select count(*)::integer from public.users) as users,
        (select count(*) > 0 from public.tasks) as tasks,
        (select s.default_task_limit from fairlane_core.settings as s) as "task limit"
    `;
      expect(rows).toEqual({ users: 2, tasks: true, "task limit": 5 });
    });
  },
  120_000,
);

async function ask<T>(what: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(stack?.dbUrl ?? "", { max: 1, onnotice: () => {} });
  return await what(sql).finally(() => sql.end({ timeout: 5 }));
}
