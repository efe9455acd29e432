import { readFileSync } from "node:fs";
import { join } from "node:path";
import { supabaseDir } from "../../stack/paths.ts";
import { migrationFiles } from "../support/old-database.ts";

/** The first migration; on an empty database it makes the tables of August 2025. */
export const [FIRST = ""] = migrationFiles();
export const AUGUST = readFileSync(
  join(supabaseDir, "migrations", FIRST),
  "utf8",
);

const AN_APP = `
  create table public.users (
    id uuid primary key, credits numeric not null default 0, settings jsonb, created_at timestamptz not null default now()
  );
  create table public.projects (
    id uuid primary key, user_id uuid not null, name text not null, created_at timestamptz not null default now()
  );
  create policy "own profile" on public.users using (id = auth.uid());
  create policy "public profiles" on public.users for select using (settings ? 'is_public');
  create policy "own projects" on public.projects using (user_id = auth.uid());
  create policy "public projects" on public.projects for select using (name like 'public %');
`;

/** What a project has, and what the error says of it. */
export const REFUSED: Record<string, readonly [sql: string, says: string[]]> = {
  "a list of things to do": [
    "create table public.tasks (title text, done boolean)",
    ["table public.tasks lacks id uuid, task_type text, params jsonb"],
  ],
  "generations of its own": [
    "create table public.generations (id bigint primary key)",
    ["table public.generations lacks id uuid, project_id uuid"],
  ],
  "users with plans": [
    "create table public.users (id uuid primary key, email text, plan text)",
    ["table public.users lacks credits numeric, settings jsonb"],
  ],
  "workers of its own": [
    "create table public.workers (id bigint, name text)",
    ["table public.workers lacks id text, instance_type text"],
  ],
  "logs of its own": [
    "create table public.system_logs (id bigint, line text)",
    ["table public.system_logs lacks timestamp timestamptz"],
  ],
  "users and projects as the queue has them, and nothing else of it": [
    AN_APP,
    [
      "table public.users is there without tasks, workers, generations",
      "table public.projects is there without tasks, workers, generations",
    ],
  ],
  "many of these at once": [
    `create table public.users (id uuid primary key, email text);
     create view public.tasks as select 1 as title;
     create table public.task_types (id bigint);
     create type public.task_status as enum ('open', 'done');
     create function public.health(p_caller jsonb) returns json language sql as 'select null::json';
     create function public.func_get_task_counts(p_mode text) returns json language sql as 'select null::json';
     create schema fairlane_core`,
    [
      "table public.users lacks credits numeric",
      "view public.tasks is no table",
      "table public.task_types",
      "type public.task_status",
      "function public.health(jsonb)",
      "function public.func_get_task_counts(p_mode text)",
      "schema fairlane_core",
    ],
  ],
  "the guest profile": [
    `create schema fairlane; create schema fairlane_core;
     create table fairlane_core.settings (is_only_row boolean)`,
    ["schema fairlane_core"],
  ],
  "a column of another type among the tables of August 2025": [
    `${AUGUST}; alter table public.tasks add column priority text, add column model text`,
    ["table public.tasks lacks priority int4"],
  ],
  "what would not survive the upgrade from August 2025": [
    `${AUGUST};
     create view public.failures as select id from public.tasks where status = 'Failed';
     create policy queued on public.tasks for update using (status = 'Queued');
     create policy tokens on public.user_api_tokens using (token <> '');
     create view public.orchestrator_status as select status, count(*) from public.tasks group by status;
     create view public.counts as select * from public.orchestrator_status`,
    [
      "view public.failures uses column public.tasks.status",
      "policy queued on public.tasks uses column public.tasks.status",
      "policy tokens on public.user_api_tokens uses column public.user_api_tokens.token",
      "view public.counts uses view public.orchestrator_status",
    ],
  ],
};

/** Relations, types and functions of public, each with a statement that makes something else of its name. */
export const MADE_IN_PUBLIC = `
  select 'public.' || c.relname as name, format('create table public.%I (its text)', c.relname) as sql
  from pg_class as c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'i', 'S')
  union all
  select format('public.%I(%s)', p.proname, a.types),
    format('create function public.%I(%s) returns text language sql as ''select null''', p.proname, a.types)
  from pg_proc as p
    cross join lateral (
      select string_agg(replace(format_type(t.type, null), 'timestamp with time zone', 'timestamptz'), ', ' order by t.n) as types
      from unnest(p.proargtypes::oid[]) with ordinality as t (type, n)
    ) as a
  where p.pronamespace = 'public'::regnamespace and p.prokind = 'f'
`;

/** Columns, policies, triggers, constraints and indexes of the seven tables; the same. */
export const MADE_ON_TABLES = `
  with old as (
    select c.oid, c.oid::regclass::text as name from pg_class as c
    where c.relnamespace = 'public'::regnamespace
      and c.relname in ('users', 'projects', 'tasks', 'workers', 'generations', 'system_logs', 'user_api_tokens')
  )
  select format('%s %s', a.attname, t.typname) as name, format('alter table public.%I add column %I point', o.name, a.attname) as sql
  from old as o
    join pg_attribute as a on a.attrelid = o.oid and a.attnum > 0 and not a.attisdropped
    join pg_type as t on t.oid = a.atttypid
  union all
  select format('%s on public.%s', p.polname, o.name), format('create policy %I on public.%I', p.polname, o.name)
  from old as o join pg_policy as p on p.polrelid = o.oid
  union all
  select format('%s on public.%s', t.tgname, o.name),
    format('create trigger %I before update on public.%I for each row execute function suppress_redundant_updates_trigger()', t.tgname, o.name)
  from old as o join pg_trigger as t on t.tgrelid = o.oid and not t.tgisinternal
  union all
  select format('%s on public.%s', n.conname, o.name), format('alter table public.%I add constraint %I check (true)', o.name, n.conname)
  from old as o join pg_constraint as n on n.conrelid = o.oid and n.contype <> 'n'
  union all
  select 'public.' || i.indexrelid::regclass, format('create index %s on public.%I ((1))', i.indexrelid::regclass, o.name)
  from old as o join pg_index as i on i.indrelid = o.oid
  where not exists (select from pg_constraint as n where n.conindid = i.indexrelid)
`;

/** Whether pg_cron may be at work for the queue. */
export const HAS_JOBS = `
  select to_regclass('cron.job') is not null and to_regclass('fairlane_core.job_runs') is not null as has_jobs
`;

/** Takes away all that a project has, and the history of its pushes. */
export const EMPTY = `
  do $$
  declare
    v_drop text;
  begin
    foreach v_drop in array array(
      select format('drop %s if exists %s cascade', i.type, i.identity)
      from (
        select 'pg_class'::regclass as class, oid from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')
        union all select 'pg_proc'::regclass, oid from pg_proc where pronamespace = 'public'::regnamespace
        union all select 'pg_type'::regclass, oid from pg_type where typnamespace = 'public'::regnamespace and typtype = 'e'
        union all select 'pg_namespace'::regclass, oid from pg_namespace where nspname in ('fairlane', 'fairlane_core', 'queue', 'supabase_migrations')
      ) as o
        cross join lateral pg_identify_object(o.class, o.oid, 0) as i
    ) loop
      execute v_drop;
    end loop;
  end;
  $$;
`;
