begin;
select plan(5);

-- SETUP: what signed-in users may do with tables; policies then say with which rows
create temporary table listed_grant (table_name text, privilege text, columns text);
insert into listed_grant values
  ('public.generations', 'SELECT', null),
  ('public.projects', 'DELETE', null),
  ('public.projects', 'INSERT', 'id, name, user_id'),
  ('public.projects', 'SELECT', null),
  ('public.projects', 'UPDATE', 'name'),
  ('public.task_events', 'SELECT', null),
  ('public.task_types', 'SELECT', null),
  (
    'public.tasks', 'INSERT',
    'available_at, created_at, dependant_on, id, idempotency_key, params, priority, project_id, run_type, task_type'
  ),
  ('public.tasks', 'SELECT', null),
  -- All but token_hash.
  ('public.user_api_tokens', 'SELECT', 'created_at, expires_at, id, label, revoked_at, token_prefix, user_id'),
  ('public.users', 'SELECT', null);

-- Tables, views and sequences with what each role holds on the whole or, failing that, on columns.
create temporary view held_grant as
select r.role_name, c.oid::regclass::text as table_name, a.privilege_type as privilege, null as columns
from pg_catalog.pg_class as c
  cross join lateral aclexplode(c.relacl) as a
  join (
    select 0::oid, 'public'::name
    union all
    select o.oid, o.rolname from pg_catalog.pg_roles as o where o.rolname in ('anon', 'authenticated', 'service_role')
  ) as r (oid, role_name) on r.oid = a.grantee
where c.relnamespace in ('public'::regnamespace, 'fairlane_core'::regnamespace)
union all
select
  o.rolname, t.attrelid::regclass::text, a.privilege_type,
  string_agg(t.attname, ', ' order by t.attname::text collate "C")
from pg_catalog.pg_attribute as t
  join pg_catalog.pg_class as c on c.oid = t.attrelid
  cross join lateral aclexplode(t.attacl) as a
  join pg_catalog.pg_roles as o on o.oid = a.grantee
where c.relnamespace in ('public'::regnamespace, 'fairlane_core'::regnamespace)
  and o.rolname in ('anon', 'authenticated', 'service_role')
group by o.rolname, t.attrelid, a.privilege_type;

-- TEST: nobody unknown holds anything
select is_empty(
  $$ select * from held_grant where role_name in ('public', 'anon') $$,
  'anon and public hold no right on any table, view or sequence'
);
select ok(not has_schema_privilege('anon', 'fairlane_core', 'usage'), 'anon cannot enter schema fairlane_core');

-- TEST: signed-in users hold what is listed, no more and no less
select set_eq(
  $$ select table_name, privilege, columns from held_grant where role_name = 'authenticated' $$,
  $$ select table_name::regclass::text, privilege, columns from listed_grant $$,
  'authenticated holds what is listed'
);

-- TEST: nobody changes the derived state but the functions that keep it
select is_empty(
  $$
    select * from held_grant
    where role_name = 'service_role' and table_name like 'fairlane_core.%' and privilege <> 'SELECT'
  $$,
  'service_role only reads tables of schema fairlane_core'
);

-- TEST: rights that row level security does not bind
select is_empty(
  $$ select * from held_grant where privilege in ('TRUNCATE', 'REFERENCES', 'TRIGGER') $$,
  'No API role may truncate, reference or put a trigger on a table'
);

select * from finish();
rollback;
