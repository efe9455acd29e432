-- What the roles of the API hold on the queue's own tables, sequences and functions beyond what migrations grant. A dump
-- only grants, and a project's default privileges may have given everything to every new table of public before it:
-- tokens, logs and the functions of the service would be open to whoever knows a public key. Defaults give whole tables,
-- never columns; so columns are not looked at. What the switch of ADR 0013 has opened is no excess.
create function queue.wide_grants()
returns table (statement text)
language sql
stable
security invoker -- for whoever owns the tables
set search_path = ''
as $$
  with shipped (name, role, privileges) as (
    values
      ('users', 'authenticated', 'SELECT'),
      ('users', 'service_role', 'SELECT INSERT UPDATE DELETE'),
      ('projects', 'authenticated', 'SELECT DELETE'),
      ('projects', 'service_role', 'SELECT INSERT UPDATE DELETE'),
      ('task_types', 'authenticated', 'SELECT'),
      ('task_types', 'service_role', 'SELECT INSERT UPDATE DELETE'),
      ('tasks', 'authenticated', 'SELECT'),
      ('tasks', 'service_role', 'SELECT DELETE'),
      ('workers', 'service_role', 'SELECT DELETE'),
      ('generations', 'authenticated', 'SELECT'),
      ('generations', 'service_role', 'SELECT INSERT UPDATE DELETE'),
      ('task_events', 'authenticated', 'SELECT'),
      ('task_events', 'service_role', 'SELECT'),
      ('task_events_id_seq', '', ''),
      ('system_logs', 'service_role', 'SELECT INSERT DELETE'),
      ('system_logs_id_seq', 'service_role', 'USAGE'),
      ('user_api_tokens', 'service_role', 'SELECT INSERT UPDATE DELETE'),
      ('active_workers_health', 'service_role', 'SELECT'),
      ('orchestrator_status', 'service_role', 'SELECT'),
      ('create_api_token', 'authenticated', 'EXECUTE'),
      ('revoke_api_token', 'authenticated', 'EXECUTE')
  ),
  api_role (oid, name) as (
    select 0::oid, 'public'
    union all
    select r.oid, r.rolname::text from pg_catalog.pg_roles as r where r.rolname in ('anon', 'authenticated', 'service_role')
  ),
  held as (
    select
      c.oid as table_id, c.relnamespace as schema, c.relname::text as name, r.name as role, a.privilege_type as privilege,
      case c.relkind when 'S' then 'sequence ' else 'table ' end || pg_catalog.format('%I.%I', n.nspname, c.relname) as object
    from pg_catalog.pg_class as c
      join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      cross join lateral pg_catalog.aclexplode(c.relacl) as a
      join api_role as r on r.oid = a.grantee
    where c.relkind in ('r', 'p', 'v', 'm', 'S')
      and (n.nspname = 'queue' or n.nspname = 'public' and c.relname in (select s.name from shipped as s))
    union all
    select
      null, p.pronamespace, p.proname::text, r.name, a.privilege_type,
      'function ' || pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid))
    from pg_catalog.pg_proc as p
      join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
      cross join lateral pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) as a
      join api_role as r on r.oid = a.grantee
    where n.nspname = 'queue'
      -- Functions of the app are in public as well; ours say of themselves for whom they are.
      or n.nspname = 'public'
        and (p.proname in (select s.name from shipped as s) or pg_catalog.obj_description(p.oid, 'pg_proc') like '%service\_role only.')
  ),
  excess as (
    select h.table_id, h.object, h.role, pg_catalog.array_agg(h.privilege order by h.privilege) as privileges
    from held as h
      left join shipped as s on h.schema = 'public'::regnamespace and s.name = h.name and s.role = h.role
    where h.privilege <> all (pg_catalog.string_to_array(coalesce(s.privileges, ''), ' '))
      -- The service itself may execute what is for it, and read the derived state.
      and not (
        h.role = 'service_role'
        and case h.schema
          when 'queue'::regnamespace then h.privilege in ('EXECUTE', 'SELECT')
          else h.privilege = 'EXECUTE' and h.name not in (select o.name from shipped as o)
        end
      )
      and not (
        h.schema = 'queue'::regnamespace and h.role = 'authenticated' and h.name in ('create_api_token', 'revoke_api_token')
      )
      and not (
        h.role = 'anon'
        and (h.name = 'tasks' and h.privilege in ('SELECT', 'DELETE') or h.name = 'is_spare_part')
        and exists (
          select
          from pg_catalog.pg_policy as p
          where p.polrelid = 'public.tasks'::regclass and p.polname = 'anyone_deletes_spare_parts'
        )
      )
    group by h.table_id, h.object, h.role
  )
  -- Taking a privilege from the table takes it from its columns as well: those that were granted come back.
  select
    pg_catalog.format('revoke %s on %s from %s;', pg_catalog.array_to_string(e.privileges, ', '), e.object, e.role)
    || coalesce((
      select
        pg_catalog.string_agg(
          pg_catalog.format(' grant %s (%s) on %s to %s;', k.privilege_type, k.columns, e.object, e.role), ''
          order by k.privilege_type
        )
      from (
        select a.privilege_type, pg_catalog.string_agg(pg_catalog.quote_ident(t.attname), ', ' order by t.attnum) as columns
        from pg_catalog.pg_attribute as t
          cross join lateral pg_catalog.aclexplode(t.attacl) as a
          join api_role as r on r.oid = a.grantee
        where t.attrelid = e.table_id
          and r.name = e.role
          and a.privilege_type = any (e.privileges)
        group by a.privilege_type
      ) as k
    ), '')
  from excess as e
  order by e.object, e.role;
$$;

comment on function queue.wide_grants() is
  'What anon, authenticated, service_role and public hold on the queue''s objects beyond what migrations grant: statements that take it back, one a row; none when all is as shipped.';

revoke all on function queue.wide_grants() from public, anon, authenticated, service_role;
