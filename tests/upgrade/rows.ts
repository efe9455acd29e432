import type postgres from "postgres";

/** A row of any table. */
export type Row = Readonly<Record<string, unknown>>;

/** The columns that there were in August 2025. */
export async function readTasks(sql: postgres.Sql): Promise<Row[]> {
  return [
    ...await sql<Row[]>`
    select
      id, task_type, coalesce(params, '{}') as params, status::text, project_id,
      dependant_on, worker_id, output_location,
      coalesce(attempts, 0) as attempts, error_details,
      created_at, updated_at, generation_started_at, generation_processed_at,
      result_data, generation_created
    from public.tasks
    order by id
  `,
  ];
}

/** What pg_cron may write at any full minute. */
const WRITTEN_BY_JOBS = [
  "fairlane_core.minute_samples",
  "fairlane_core.status_totals",
  "fairlane_core.job_runs",
];

/** Every row of every table, as text. */
export async function everything(sql: postgres.Sql): Promise<unknown> {
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name
    from pg_catalog.pg_tables
    where schemaname in ('public', 'fairlane_core')
      and format('%s.%s', schemaname, tablename) <> all (${WRITTEN_BY_JOBS})
    order by 1
  `;
  return await Promise.all(tables.map(async ({ name }) => [
    name,
    [...await sql.unsafe(`select t::text from ${name} as t order by 1`)],
  ]));
}
