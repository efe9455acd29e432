import type postgres from "postgres";

/** Ids of what an August 2025 database holds in these tests. */
export const OLD = {
  user: "0a000000-0000-4000-8000-000000000001",
  project: "0a000000-0000-4000-8000-000000000002",
  inFlight: "0a000000-0000-4000-8000-000000000003",
  finished: "0a000000-0000-4000-8000-000000000004",
  failed: "0a000000-0000-4000-8000-000000000005",
  failedWithReason: "0a000000-0000-4000-8000-000000000007",
  withoutRecord: "0a000000-0000-4000-8000-000000000008",
  waiting: "0a000000-0000-4000-8000-000000000006",
  worker: "gpu-20251016_180000-0a0b0c0d",
  token: "pat-from-august-2025-0123456789abcdef",
} as const;

/** How many tasks the incident of 2025-10-16 was about. */
export const ORPHANS = 51;
/** Tasks without a project, whose owner nobody can know. */
export const WITHOUT_PROJECT = 3;

/** The owner of everything. */
export async function fillOwner(sql: postgres.Sql): Promise<void> {
  await sql`insert into public.users (id, credits) values (${OLD.user}, 10)`;
  await sql`
    insert into public.projects (id, user_id, name)
    values (${OLD.project}, ${OLD.user}, 'Old project')
  `;
}

/**
 * The 51 tasks of the incident as it tells of them: the oldest of 2025-08-12
 * 15:06:09, 43 older than a day at 2025-10-16 18:25:42, 8 younger, none of the
 * last hour, two types, never tried.
 */
export async function fillOrphans(sql: postgres.Sql): Promise<void> {
  await sql`
    insert into public.tasks (task_type, params, project_id, created_at)
    select
      case when i % 3 = 0 then 'travel_stitch' else 'travel_segment' end,
      jsonb_build_object('segment_index', i),
      ${OLD.project},
      case
        when i < 43 then '2025-08-12T15:06:09Z'::timestamptz + i * interval '36 hours'
        else '2025-10-15T19:00:00Z'::timestamptz + (i - 43) * interval '3 hours'
      end
    from generate_series(0, ${ORPHANS - 1}) as i
  `;
}

/** Everything else that was in such a database. */
export async function fillTheRest(sql: postgres.Sql): Promise<void> {
  await sql`insert into public.workers (id) values (${OLD.worker})`;
  await sql`
    insert into public.tasks (id, task_type, project_id, status, worker_id,
      attempts, output_location, generation_started_at, dependant_on, created_at)
    values
      (${OLD.inFlight}, 'travel_segment', ${OLD.project}, 'In Progress',
        ${OLD.worker}, 1, null, now(), null, now()),
      (${OLD.finished}, 'travel_segment', ${OLD.project}, 'Complete',
        ${OLD.worker}, 1, 'https://files.test/old.mp4',
        null, null, now()),
      (${OLD.failed}, 'join_clips', ${OLD.project}, 'Failed',
        null, 3, null, null, null, now()),
      (${OLD.failedWithReason}, 'join_clips', ${OLD.project}, 'Failed',
        null, 3, 'Failed to create guide video', null, null, now()),
      (${OLD.withoutRecord}, 'travel_stitch', ${OLD.project}, 'Complete',
        null, 1, 'https://files.test/lost.mp4', null, null, now()),
      (${OLD.waiting}, 'travel_stitch', ${OLD.project}, 'Queued',
        null, 0, null, null, ${OLD.inFlight}, now())
  `;
  await sql`
    insert into public.tasks (task_type, project_id)
    select 'travel_segment', null from generate_series(1, ${WITHOUT_PROJECT})
  `;
  await sql`
    insert into public.user_api_tokens (user_id, token, label)
    values (${OLD.user}, ${OLD.token}, 'My machine')
  `;
  await sql`
    insert into public.generations (project_id, location)
    values (${OLD.project}, 'https://files.test/old.mp4')
  `;
}
