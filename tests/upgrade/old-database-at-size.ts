import { join } from "node:path";
import postgres from "postgres";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../../gate/equality/throw-away-database.ts";
import { checkoutDir } from "../../stack/paths.ts";
import { applyFirstMigration } from "../support/old-database.ts";

/**
 * A database of August 2025 with many rows and nulls wherever a column took
 * them: of a hundred tasks 95 have ended, three wait, one waits for another and
 * one runs. Of the running ones each tenth is an orchestrator; it has a child in
 * the next four thousands of tasks, and one in the ninth.
 */
export async function oldDatabaseAtSize(
  name: string,
  rows: number,
): Promise<ThrowAwayDatabase> {
  const workDir = join(checkoutDir, ".stack", "test-upgrade");
  const database = await makeThrowAwayDatabase(workDir, name, true);
  await applyFirstMigration(database.url);
  const sql = postgres(database.url, { max: 1, onnotice: () => {} });
  try {
    await fillAtSize(sql, rows);
  } finally {
    await sql.end();
  }
  return database;
}

/** The same rows in a database that is there, whatever type its status has. */
export async function fillAtSize(
  sql: postgres.Sql,
  rows: number,
): Promise<void> {
  await sql.unsafe(`
    alter table public.tasks
      alter column params drop not null,
      alter column attempts drop not null,
      alter column created_at drop not null,
      alter column generation_created drop not null;
    alter table public.workers alter column metadata drop not null;

    insert into public.users (id, credits)
    select ('0a000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, 10
    from generate_series(1, 1000) as i;
    insert into public.projects (id, user_id)
    select u.id, u.id from public.users as u;
    insert into public.workers (id, metadata)
    select 'gpu-old-' || i, case when i % 2 = 0 then '{}'::jsonb end
    from generate_series(1, 20) as i;
  `);
  const [status] = await sql<{ type: string }[]>`
    select format_type(a.atttypid, null) as type from pg_attribute as a
    where a.attrelid = 'public.tasks'::regclass and a.attname = 'status'
  `;
  const type = status?.type ?? "text";
  await sql.unsafe(FILL.replace("::public.task_status", `::${type}`), [rows]);
  // For the claims of that time.
  await sql`create index old_tasks_by_age on public.tasks (created_at)`;
  await sql`vacuum analyze public.tasks`;
}

const FILL = `
  insert into public.tasks (
    id, task_type, params, status, project_id, dependant_on, worker_id,
    output_location, attempts, error_message, created_at, updated_at,
    generation_started_at, generation_processed_at, generation_created
  )
  select
    ('0b000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid,
    case
      when i % 1000 = 99 then 'travel_orchestrator'
      when i % 1000 in (90, 95, 96, 97, 98) then 'travel_segment'
      else case i % 3 when 0 then 'travel_stitch' when 1 then 'travel_segment' else 'wgp' end
    end,
    case
      when i % 1000 in (90, 95, 96, 97, 98) then
        jsonb_build_object('segment_index', i, 'orchestrator_task_id_ref', (
          -- The one whose owner this task has, by the number of its project below.
          '0b000000-0000-4000-8000-' || lpad(abs(i - 999 * (99 - i % 1000))::text, 12, '0')
        ))
      when i % 7 > 0 then
        jsonb_build_object('segment_index', i, 'prompt', repeat('a lighthouse at dusk ', 20))
    end,
    (case
      when i % 100 < 95 then (array['Complete', 'Failed', 'Cancelled'])[1 + (i % 20) / 18]
      when i % 100 < 99 then 'Queued'
      else 'In Progress'
    end)::public.task_status,
    case when i % 51 > 0 then
      ('0a000000-0000-4000-8000-' || lpad((1 + (i + i / 1000) % 1000)::text, 12, '0'))::uuid
    end,
    case when i % 100 = 98 then
      ('0b000000-0000-4000-8000-' || lpad((i - 3)::text, 12, '0'))::uuid
    end,
    case when i % 4 > 0 then 'gpu-old-' || (1 + i % 20) end,
    case when i % 100 < 90 then 'https://files.test/' || i end,
    case when i % 5 > 0 then i % 3 end,
    null,
    case when i % 13 > 0 then '2025-08-01'::timestamptz + i * interval '1 second' end,
    case when i % 2 = 0 then '2025-08-02'::timestamptz + i * interval '1 second' end,
    case when i % 6 > 0 then '2025-08-02'::timestamptz end,
    case when i % 100 < 95 then '2025-08-03'::timestamptz end,
    case when i % 9 > 0 then false end
  from generate_series(1, $1) as i
`;
