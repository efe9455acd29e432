import { afterAll, beforeAll, describe, expect, it } from "vitest";
import postgres from "postgres";
import type { ThrowAwayDatabase } from "../../gate/equality/throw-away-database.ts";
import { counterDrift } from "../support/drift.ts";
import { applyUpTo, migrationFiles } from "../support/old-database.ts";
import { pauseJobs } from "../support/pause-jobs.ts";
import { differencesFromFresh } from "./like-a-fresh-install.ts";
import { oldDatabaseAtSize } from "./old-database-at-size.ts";

// Stands for those who use the queue while a push is on its way: between any two of its files, which commit one by one, an
// owner comes, enqueues, pays and has work done; as the earlier backend did it until the functions are there.

const FUNCTIONS = "20261130001000";
const SCHEDULE = "20261130001200";
const JOBS = [
  ...[
    "rescue",
    "sweep",
    "repair_orchestrations",
    "advance_status_totals",
    "reconcile",
  ],
  ...["cleanup", "purge", "settle"],
];

describe("an owner who comes while an upgrade is halfway", () => {
  const files = migrationFiles().slice(1);
  let database: ThrowAwayDatabase;
  let sql: postgres.Sql;

  beforeAll(async () => {
    database = await oldDatabaseAtSize("window", 2_000);
    sql = postgres(database.url, { max: 1, onnotice: () => {} });
  }, 300_000);
  afterAll(async () => {
    await sql?.end();
    await database?.discard();
  });

  it("is served, and no job fails, after any of its files", async () => {
    const wrong: unknown[] = [];
    for (const [n, file] of files.entries()) {
      await applyUpTo(database.url, file);
      await comeAndWork(n, file).catch((error: unknown) =>
        wrong.push({ file, error })
      );
      if (file < SCHEDULE) continue;
      await pauseJobs(database.adminUrl);
      for (const job of JOBS) {
        const [ran] = await sql<{ result: { error?: string } }[]>`
          select fairlane_core.run_job(${job}) as result
        `;
        if (ran?.result.error !== undefined) wrong.push({ job, ...ran.result });
      }
    }
    expect(wrong).toEqual([]);
  }, 300_000);

  it("leaves numbers that agree, and the schema of a fresh install", async () => {
    expect(await sql`select * from fairlane_core.drift()`).toEqual([]);
    expect(await counterDrift(sql)).toEqual([]);
    expect((await differencesFromFresh(database.url)).join("\n")).toBe("");
  });

  it("has its tasks taken for what their types are", async () => {
    const taken = await sql`
      select distinct t.task_type as type, t.pool, t.takes_slot as "takesSlot", t.runs_on_own_gpu as "runsOnOwnGpu"
      from public.tasks as t
      where t.status = 'Queued' and t.project_id::text like '0f100000-%' and t.task_type <> 'wan_2_2_t2i'
      order by 1
    `;
    expect([...taken]).toEqual([
      {
        ...{ type: "qwen_image_edit", pool: "api", takesSlot: true },
        runsOnOwnGpu: true,
      },
      {
        ...{ type: "strange_orchestrator", pool: "gpu", takesSlot: false },
        runsOnOwnGpu: false,
      },
      {
        ...{ type: "strange_work", pool: "gpu", takesSlot: true },
        runsOnOwnGpu: false,
      },
      {
        ...{ type: "travel_segment", pool: "gpu", takesSlot: true },
        runsOnOwnGpu: false,
      },
    ]);
    const unknown = await sql`
      select name from fairlane_core.unknown_types where name like 'strange_%' order by name
    `;
    expect(unknown.map((row) => row["name"]))
      .toEqual(["strange_orchestrator", "strange_work"]);
  });

  it("has the result of what ran through it, whose it is", async () => {
    const [found] = await sql`
      select
        count(*) filter (where t.status = 'Complete')::integer as complete,
        count(*) filter (where t.user_id is distinct from t.project_id)::integer as astray
      from public.tasks as t
      where t.project_id::text like '0f100000-%'
    `;
    expect(found).toEqual({ complete: files.length, astray: 0 });
  });

  it("gets the rest of its work done when it is over", async () => {
    const left = () =>
      sql<{ count: number }[]>`
        select count(*)::integer as count from public.tasks
        where project_id::text like '0f100000-%' and readiness = 'ready'
      `.then(([row]) => row?.count ?? 0);
    const before = await left();
    expect(before).toBeGreaterThan(0);
    await claim("gpu-after-the-window");
    expect(await left()).toBe(before - 1);
    expect(await sql`select * from fairlane_core.drift()`).toEqual([]);
    expect(await counterDrift(sql)).toEqual([]);
  });

  async function comeAndWork(n: number, file: string): Promise<void> {
    const id = `0f100000-0000-4000-8000-${String(n).padStart(12, "0")}`;
    await sql`insert into public.users (id, credits) values (${id}, 50)`;
    await sql`insert into public.projects (id, user_id) values (${id}, ${id})`;
    await sql`
      insert into public.tasks (task_type, project_id) values ('wan_2_2_t2i', ${id})
    `;
    await sql`
      insert into public.tasks (task_type, project_id)
      select unnest(array['travel_segment', 'qwen_image_edit', 'strange_orchestrator', 'strange_work']), ${id}
    `;
    await sql`
      insert into public.tasks (task_type, project_id, params)
      select 'travel_segment', ${id}, jsonb_build_object('orchestrator_task_id_ref', t.id)
      from public.tasks as t
      where t.project_id = ${id} and t.task_type = 'strange_orchestrator'
    `;
    await sql`update public.users set credits = credits - 1 where id = ${id}`;
    const ended = file < FUNCTIONS
      ? await workAsThen(`then-${n}`, id)
      : await workAsNow(`now-${n}`, id);
    expect(ended).toEqual({ status: "Complete" });
  }

  /** As the earlier backend claimed and completed. */
  async function workAsThen(worker: string, project: string) {
    const [task] = await sql`
      update public.tasks
      set status = 'In Progress', worker_id = ${worker}, generation_started_at = now(), updated_at = now()
      where id = (
        select t.id from public.tasks as t
        where t.status = 'Queued' and t.project_id = ${project}
        order by t.created_at limit 1 for update skip locked
      )
      returning id
    `;
    const [ended] = await sql`
      update public.tasks
      set status = 'Complete', output_location = 'https://files.test/window', generation_processed_at = now()
      where id = ${task?.["id"] ?? null} and status = 'In Progress'
      returning status::text
    `;
    return ended;
  }

  async function workAsNow(worker: string, project: string) {
    await sql`
      update public.users set max_in_progress = 100 where id = ${project}
    `;
    await claim(worker, "api");
    const [ended] = await sql<{ status: string }[]>`
      select public.complete_task(
        '{"kind": "service"}', t.id, 'https://files.test/' || t.id, p_lease_token => t.lease_token
      ) ->> 'status' as status
      from public.tasks as t
      where t.worker_id = ${worker} and t.status = 'In Progress'
    `;
    return ended;
  }

  function claim(worker: string, pool = "gpu") {
    return sql`select public.claim_next_task('{"kind": "service"}', ${worker}, ${pool})`;
  }
});
