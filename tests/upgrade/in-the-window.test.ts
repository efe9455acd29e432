import { afterAll, beforeAll, describe, expect, it } from "vitest";
import postgres from "postgres";
import type { ThrowAwayDatabase } from "../../gate/equality/throw-away-database.ts";
import { counterDrift } from "../support/drift.ts";
import { applyMigrations, migrationFiles } from "../support/old-database.ts";
import { pauseJobs } from "../support/pause-jobs.ts";
import { size } from "../support/size.ts";
import { differencesFromFresh } from "./like-a-fresh-install.ts";
import { applyUpTo, LAST_BEFORE, queueInUse } from "./queue-in-use.ts";

// Stands for those who use the queue while a push is on its way: between any two of its files, which commit one by one,
// an owner comes, enqueues, pays and has work done, and the jobs of that moment run. Without them as well: reconcile
// would mend what a file left wrong.

const JOBS = [
  "rescue",
  "sweep",
  "mend_orchestrations",
  "count_on",
  "reconcile",
  "cleanup",
  "purge",
];

describe.each([
  { jobs: JOBS, name: "with-jobs" },
  { jobs: [], name: "without-jobs" },
])(
  "an owner who comes while an upgrade is halfway, $name",
  ({ jobs, name }) => {
    const step = size(4, 1);
    const versions = migrationFiles()
      .map((file) => file.slice(0, 14))
      .filter((version) => version > LAST_BEFORE)
      // The files that replace what runs are the last ones: each of them.
      .filter((_, index, { length }) =>
        index % step === 0 || index > length - 8
      );
    let database: ThrowAwayDatabase;
    let sql: postgres.Sql;

    beforeAll(async () => {
      database = await queueInUse(`window-${name}-${step}`);
      sql = postgres(database.url, { max: 1, onnotice: () => {} });
    }, 300_000);
    afterAll(async () => {
      await sql?.end();
      await database?.discard();
    });

    it("is served, and no job fails, between any two files", async () => {
      const wrong: unknown[] = [];
      for (const [n, version] of versions.entries()) {
        await applyUpTo(database.url, version);
        await pauseJobs(database.adminUrl);
        await comeAndWork(n).catch((error: unknown) =>
          wrong.push({ version, error })
        );
        for (const job of jobs) {
          const [ran] = await sql<{ result: { error?: string } }[]>`
          select queue.run_job(${job}) as result
        `;
          if (ran?.result.error !== undefined) {
            wrong.push({ version, job, ...ran.result });
          }
        }
        // What pg_cron calls from the file on that brings it, functions or not.
        await sql`
        select queue.run_batch(queue.begin_batches('settle'))
        where exists (select from queue.job_runs where job = 'settle')
      `;
      }
      expect(wrong).toEqual([]);
    }, 300_000);

    it(
      "leaves numbers that agree, and the schema of a fresh install",
      async () => {
        await applyMigrations(database.url);
        await pauseJobs(database.adminUrl);
        expect(await sql`select * from queue.drift()`).toEqual([]);
        expect(await counterDrift(sql)).toEqual([]);
        expect(await differencesFromFresh(database.url)).toEqual([]);
      },
      300_000,
    );

    it("has its tasks taken for what their types are", async () => {
      for (let left = 1; left > 0;) {
        await sql`select queue.run_job('settle')`;
        const [row] = await sql<{ left: number }[]>`
        select count(*)::integer as left from queue.deferred_work
      `;
        left = row?.left ?? 0;
      }
      const taken = await sql`
      select distinct t.task_type as type, t.pool, t.takes_slot as "takesSlot",
        t.runs_on_own_gpu as "runsOnOwnGpu" from public.tasks as t
      where t.status = 'Queued' -- what runs keeps what it was handed out as
        and t.task_type in (
          'qwen_image_edit', 'strange_orchestrator', 'strange_work', 'travel_orchestrator', 'wan_2_2_i2v'
        )
        and t.project_id::text like '0f100000-%'
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
          ...{ type: "travel_orchestrator", pool: "gpu", takesSlot: false },
          runsOnOwnGpu: false,
        },
        {
          ...{ type: "wan_2_2_i2v", pool: "api", takesSlot: true },
          runsOnOwnGpu: false,
        },
      ]);
      const unknown = await sql`
      select name from queue.unknown_types where name like 'strange_%' order by name
    `;
      expect(unknown.map((row) => row["name"])).toEqual([
        "strange_orchestrator",
        "strange_work",
      ]);
      expect(await sql`select * from queue.drift()`).toEqual([]);
      expect(await counterDrift(sql)).toEqual([]);
    }, 100_000);

    it("gets work done when it is over", async () => {
      const owners = versions.map((_, n) => owner(n));
      await sql`update public.users set credits = 100 where id = any (${owners})`;
      const left = () =>
        sql<{ count: number }[]>`
        select count(*)::integer as count from public.tasks
        where user_id = any (${owners}) and standing = 'ready' and priority = 1000
      `.then(([row]) => row?.count ?? 0);
      const before = await left();
      expect(before).toBeGreaterThan(0);
      await claim("gpu-after-the-window");
      expect(await left()).toBe(before - 1);
      expect(await sql`select * from queue.drift()`).toEqual([]);
      expect(await counterDrift(sql)).toEqual([]);
    });

    async function comeAndWork(n: number): Promise<void> {
      const id = owner(n);
      await sql`insert into public.users (id, credits) values (${id}, 50)`;
      await sql`insert into public.projects (id, user_id) values (${id}, ${id})`;
      await sql`
      insert into public.tasks (task_type, project_id, priority)
      select unnest(array[
        'travel_segment', 'travel_segment', 'qwen_image_edit', 'wan_2_2_i2v', 'travel_orchestrator',
        'strange_orchestrator', 'strange_work'
      ]), ${id}, 1000
    `;
      await sql`
      insert into public.tasks (task_type, project_id, params)
      select 'travel_segment', ${id}, jsonb_build_object('orchestrator_task_id_ref', t.id)
      from public.tasks as t
      where t.project_id = ${id} and t.task_type = 'strange_orchestrator'
    `;
      await sql`update public.users set credits = credits - 1 where id = ${id}`;
      for (const [i, pool] of ["gpu", "gpu", "gpu", "api"].entries()) {
        await claim(`${pool}-window-${n}-${i}`, pool);
      }
      const [ended] = await sql<{ status: string }[]>`
      select public.complete_task(
        '{"kind": "service"}', t.id, 'https://files.test/' || t.id, p_lease_token => t.lease_token
      ) ->> 'status' as status
      from (
        select * from public.tasks
        where worker_id like ${`gpu-window-${n}-%`} and status = 'In Progress'
        order by user_id <> ${id}, id limit 1
      ) as t
    `;
      expect(ended).toEqual({ status: "Complete" });
      // One runs out of credits, one is given some again, and one gives a family up.
      await sql`update public.users set credits = 0 where id = ${id}`;
      if (
        n % 2 === 0
      ) await sql`update public.users set credits = 20 where id = ${id}`;
      if (n % 3 > 0) return;
      await sql`
      update public.tasks set status = 'Cancelled'
      where project_id = ${id} and task_type = 'strange_orchestrator' and status in ('Queued', 'In Progress')
    `;
    }

    function claim(worker: string, pool = "gpu") {
      return sql`select public.claim_next_task('{"kind": "service"}', ${worker}, ${pool})`;
    }

    function owner(n: number): string {
      return `0f100000-0000-4000-8000-${String(n).padStart(12, "0")}`;
    }
  },
);
