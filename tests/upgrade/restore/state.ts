import type postgres from "postgres";

/** Rows that say when something was last looked at, and so differ. */
const OF_THE_MOMENT = [
  "fairlane_core.status_totals",
  "fairlane_core.clock_watch",
];

/** Every row of every table of the queue, as text, by table. */
export async function rowsOf(
  sql: postgres.Sql,
): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of await tablesOf(sql)) {
    if (OF_THE_MOMENT.includes(name)) continue;
    const [row] = await sql.unsafe<{ rows: string }[]>(`
      select coalesce(jsonb_agg(to_jsonb(t) order by to_jsonb(t)::text), '[]')::text as rows
      from ${name} as t
    `);
    found[name] = row?.rows ?? "";
  }
  return found;
}

/** The tables of the queue. */
export async function tablesOf(sql: postgres.Sql): Promise<string[]> {
  const tables = await sql<{ name: string }[]>`
    select format('%s.%I', c.relnamespace::regnamespace, c.relname) as name
    from pg_class as c
    where c.relkind = 'r'
      and c.relnamespace in ('public'::regnamespace, 'fairlane_core'::regnamespace)
    order by 1
  `;
  return tables.map(({ name }) => name);
}

/** What pg_cron runs, whether or not it is paused. */
export async function jobsOf(sql: postgres.Sql): Promise<unknown> {
  return await sql`
    select j.jobname, j.schedule, j.command from cron.job as j order by 1
  `;
}

/** Who may do what with tables, views, sequences, columns and functions. */
export async function grantsOf(sql: postgres.Sql): Promise<string[]> {
  const grants = await sql<{ name: string }[]>`
    select concat_ws(' ', o.name, a.privilege_type, coalesce(r.rolname, 'public')) as name
    from (
      select c.oid::regclass::text as name, c.relnamespace as schema,
        coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner)) as acl
      from pg_class as c
      where c.relkind in ('r', 'v', 'S')
      union all
      select t.attrelid::regclass::text || '.' || t.attname, c.relnamespace, t.attacl
      from pg_attribute as t join pg_class as c on c.oid = t.attrelid
      union all
      select p.oid::regprocedure::text, p.pronamespace, coalesce(p.proacl, acldefault('f', p.proowner))
      from pg_proc as p
    ) as o
      cross join lateral aclexplode(o.acl) as a
      left join pg_roles as r on r.oid = a.grantee
    where o.schema in ('public'::regnamespace, 'fairlane_core'::regnamespace)
    order by 1
  `;
  return grants.map(({ name }) => name);
}

/** What the project gives of itself to every new object of `postgres` in public. */
export async function defaultsOf(
  sql: postgres.Sql,
): Promise<readonly unknown[]> {
  return await sql`
    select d.defaclobjtype, a.grantee::regrole::text as grantee, a.privilege_type
    from pg_default_acl as d
      cross join lateral aclexplode(d.defaclacl) as a
    where d.defaclrole = 'postgres'::regrole
      and d.defaclnamespace = 'public'::regnamespace
    order by 1, 2, 3
  `;
}

/** What a queue that works again says of itself. */
export async function soundnessOf(sql: postgres.Sql): Promise<unknown> {
  const [row] = await sql`
    select
      (select coalesce(jsonb_agg(d), '[]') from fairlane_core.drift() as d) as drift,
      (select count(*)::integer from pg_trigger where tgenabled = 'D') as "triggers off",
      (
        select max(e.id) <= pg_sequence_last_value('public.task_events_id_seq')
        from public.task_events as e
      ) as "events have free numbers"
  `;
  return row;
}

/** The next task is claimed, completed and counted; the queue agrees after it. */
export async function worksAgain(sql: postgres.Sql): Promise<unknown> {
  const [done] = await sql<{ reply: { status: string } }[]>`
    with claim as materialized (
      select public.claim_next_task('{"kind": "service"}', 'gpu-restored') ->> 'task_id' as id
    )
    select public.complete_task(
      '{"kind": "service"}', c.id::uuid, 'https://files.test/restored.mp4'
    ) as reply
    from claim as c
  `;
  return { status: done?.reply.status, ...await soundnessOf(sql) as object };
}

/** What `soundnessOf` says when all is well. */
export const SOUND = {
  drift: [],
  "triggers off": 0,
  "events have free numbers": true,
};
