-- After a restore: creates what the backup does not contain, and revokes what it opened.

-- Prepares a migrated database for the rows of another one. Rows that migrations ship would exist twice, and the
-- queue's triggers would treat each row as a new task: count it and begin it anew. Not by pg_dump --disable-triggers,
-- which only a superuser can use. Triggers of the application are left alone.
-- Prepares an empty queue for pg_restore --data-only: disables its triggers, removes its jobs and the rows that
-- migrations ship. Refuses when there are tasks. End with fairlane_core.rebuild().
create function fairlane_core.begin_restore()
returns json
language plpgsql
volatile
security invoker -- for whoever owns the tables
set search_path = ''
as $$
declare
  v_table regclass;
  v_trigger record;
  v_job bigint;
  v_triggers integer := 0;
begin
  if exists (select from fairlane.tasks) then
    raise exception 'This database has tasks: a restore begins with an empty queue'
      using errcode = 'object_not_in_prerequisite_state', hint = 'Restore into a database that was just migrated';
  end if;

  if to_regclass('cron.job') is not null then
    for v_job in select j.jobid from cron.job as j where j.jobname like 'fairlane-%' loop
      perform cron.unschedule(v_job);
    end loop;
  end if;

  for v_trigger in
    select t.tgname as name, t.tgrelid::regclass as on_table
    from pg_trigger as t
      join pg_proc as p on p.oid = t.tgfoid
    where p.pronamespace = 'fairlane_core'::regnamespace
      and not t.tgisinternal
      and t.tgenabled <> 'D'
    order by t.tgrelid, t.tgname
  loop
    execute pg_catalog.format('alter table %s disable trigger %I', v_trigger.on_table, v_trigger.name);
    v_triggers := v_triggers + 1;
  end loop;

  for v_table in
    select c.oid::regclass
    from pg_class as c
    where c.relkind in ('r', 'p')
      and (c.relnamespace = 'fairlane_core'::regnamespace or c.oid = 'fairlane.task_types'::regclass)
    order by c.relname
  loop
    execute pg_catalog.format('delete from %s', v_table);
  end loop;
  return json_build_object('triggers_disabled', v_triggers);
end;
$$;

-- Turns rows that were copied into this database, in whatever way, into a working queue: derives everything that
-- follows from other rows, and creates what the queue has outside of its tables. Safe to repeat; beside running work it
-- finds nothing to do.
-- After a restore or a copy of rows: enables the queue's triggers, derives counters, families and totals again, moves
-- sequences behind the highest id, creates the jobs (and the bucket of the fleet). Returns what it had to do, and the
-- remaining drift: 0; wide_grants are statements that revoke what API roles have beyond what migrations grant: none.
create function fairlane_core.rebuild()
returns json
language plpgsql
volatile
security invoker -- for whoever owns the tables
set search_path = ''
as $$
declare
  v_trigger record;
  v_sequence record;
  v_last bigint;
  v_triggers integer := 0;
  v_sequences integer := 0;
  v_repaired integer;
  v_wide text[];
begin
  for v_trigger in
    select t.tgname as name, t.tgrelid::regclass as on_table
    from pg_trigger as t
      join pg_proc as p on p.oid = t.tgfoid
    where p.pronamespace = 'fairlane_core'::regnamespace
      and not t.tgisinternal
      and t.tgenabled = 'D'
    order by t.tgrelid, t.tgname
  loop
    execute pg_catalog.format('alter table %s enable trigger %I', v_trigger.on_table, v_trigger.name);
    v_triggers := v_triggers + 1;
  end loop;

  -- Rows that a dump of the schema does not contain.
  insert into fairlane_core.settings (is_only_row) values (true) on conflict do nothing;
  insert into fairlane_core.clock_watch (is_only_row) values (true) on conflict do nothing;

  -- Copied rows have used numbers that their sequences do not know of.
  for v_sequence in
    select
      d.refobjid::regclass as of_table, a.attname as of_column, s.oid::regclass as name
    from pg_class as s
      join pg_depend as d on d.objid = s.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
      join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where s.relkind = 'S'
      and d.refobjid in (
        'fairlane.task_events'::regclass, 'fairlane.system_logs'::regclass, 'fairlane_core.subtasks'::regclass
      )
  loop
    execute pg_catalog.format('select max(t.%I) from %s as t', v_sequence.of_column, v_sequence.of_table) into v_last;
    execute pg_catalog.format(
      'select pg_catalog.setval(%1$L, %2$s) from %1$s as s where s.last_value < %2$s or (s.last_value = %2$s and not s.is_called)',
      v_sequence.name, coalesce(v_last, 0)
    ) into v_last;
    v_sequences := v_sequences + (v_last is not null)::integer;
  end loop;

  v_repaired := fairlane_core.reconcile_owners(array(
    select distinct d.user_id from fairlane_core.drift() as d where d.user_id is not null order by d.user_id
  ));
  perform fairlane_core.recount_totals();

  perform fairlane_core.restore_surroundings();
  notify pgrst, 'reload schema';

  v_wide := array(select w.statement from fairlane_core.wide_grants() as w);
  if cardinality(v_wide) > 0 then
    raise warning 'The API may do more with % of the queue''s objects than migrations grant', cardinality(v_wide)
      using hint = 'select statement from fairlane_core.wide_grants() shows what takes it back: run that before anybody knows this address';
  end if;
  return json_build_object(
    'triggers_enabled', v_triggers,
    'sequences_moved', v_sequences,
    'owners_repaired', v_repaired,
    'drift', (select count(*) from fairlane_core.drift()),
    'wide_grants', v_wide
  );
end;
$$;

-- Creates what the queue has outside of its own schemas: the jobs, if pg_cron is installed. A guest asks for the rest
-- explicitly (fairlane_core.make_bucket); in the fleet's project 85_fleet replaces this function.
create function fairlane_core.restore_surroundings()
returns void
language plpgsql
volatile
security invoker -- the jobs belong to the caller
set search_path = ''
as $$
begin
  if to_regclass('cron.job') is not null then
    perform fairlane_core.schedule_jobs();
  end if;
end;
$$;

-- What anon, authenticated, service_role and public hold on the queue's own tables, sequences and functions beyond what
-- migrations grant: statements that revoke it, one per row; none when all is as shipped. A dump only grants, and a
-- project's default privileges may have granted everything on every new table of public before: tokens, logs and the
-- functions of the service would be open to anybody with a public key. Defaults grant whole tables, never columns, so
-- columns are not compared. What the switch of ADR 0013 has opened is no excess.
create function fairlane_core.wide_grants()
returns table (statement text)
language sql
stable
security invoker -- for whoever owns the tables
set search_path = ''
as $$
  with shipped (name, role, privileges) as (
    values
      ('owners', 'authenticated', 'SELECT'),
      ('owners', 'service_role', 'SELECT INSERT UPDATE DELETE'),
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
      and (n.nspname = 'fairlane_core' or n.nspname = 'fairlane' and c.relname in (select s.name from shipped as s))
    union all
    select
      null, p.pronamespace, p.proname::text, r.name, a.privilege_type,
      'function ' || pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid))
    from pg_catalog.pg_proc as p
      join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
      cross join lateral pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) as a
      join api_role as r on r.oid = a.grantee
    where n.nspname = 'fairlane_core'
      -- Functions of the app are in public as well; the comments of ours say who may call them.
      or n.nspname = 'fairlane'
        and (p.proname in (select s.name from shipped as s) or pg_catalog.obj_description(p.oid, 'pg_proc') like '%service\_role only.')
  ),
  excess as (
    select h.table_id, h.object, h.role, pg_catalog.array_agg(h.privilege order by h.privilege) as privileges
    from held as h
      left join shipped as s on h.schema = 'fairlane'::regnamespace and s.name = h.name and s.role = h.role
    where h.privilege <> all (pg_catalog.string_to_array(coalesce(s.privileges, ''), ' '))
      -- The service itself may execute its own functions, and read the derived state.
      and not (
        h.role = 'service_role'
        and case h.schema
          when 'fairlane_core'::regnamespace then h.privilege in ('EXECUTE', 'SELECT')
          else h.privilege = 'EXECUTE' and h.name not in (select o.name from shipped as o)
        end
      )
      and not (
        h.schema = 'fairlane_core'::regnamespace and h.role = 'authenticated' and h.name in ('create_api_token', 'revoke_api_token')
      )
      and not (
        h.role = 'anon'
        and (h.name = 'tasks' and h.privilege in ('SELECT', 'DELETE') or h.name = 'is_spare_part')
        and exists (
          select
          from pg_catalog.pg_policy as p
          where p.polrelid = 'fairlane.tasks'::regclass and p.polname = 'anyone_deletes_spare_parts'
        )
      )
    group by h.table_id, h.object, h.role
  )
  -- Revoking a privilege on the table also revokes it on its columns: those that were granted are granted again.
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
