begin;
select plan(39);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_user() as stranger \gset
select tests.create_project(:'owner') as project \gset
select tests.create_project(:'stranger') as strangers_project \gset
select tests.create_task_in('Complete', :'owner') as task \gset
select tests.with_token(:'owner') as token \gset
-- Runs a statement: "refused", or how many rows it wrote.
create function pg_temp.try(p_statement text) returns text language plpgsql as $$
declare
  v_rows integer;
begin
  execute p_statement;
  get diagnostics v_rows = row_count;
  return v_rows;
exception when insufficient_privilege then
  return 'refused';
end;
$$;

-- TEST: projects are the owner's to make, rename and delete
select tests.authenticate_as(:'owner');
select is(
  pg_temp.try(format('insert into public.projects (user_id, name) values (%L, ''Mine'')', :'owner')), '1', 'The owner makes a project'
);
select is(pg_temp.try(format('update public.projects set name = ''New'' where id = %L', :'project')), '1', 'The owner renames it');
select is(
  pg_temp.try(format('insert into public.projects (user_id, name) values (%L, ''Gift'')', :'stranger')), 'refused',
  'The owner makes no project for somebody else'
);
select is(
  pg_temp.try(format('update public.projects set user_id = %L where id = %L', :'stranger', :'project')), 'refused',
  'The owner gives no project away'
);
select is(
  pg_temp.try(format('update public.projects set name = ''Taken'' where id = %L', :'strangers_project')), '0',
  'The owner changes no project of a stranger'
);
select is(
  pg_temp.try(format('delete from public.projects where id = %L', :'strangers_project')), '0', 'The owner deletes no project of a stranger'
);

select is(
  pg_temp.try(format('update public.projects set id = gen_random_uuid() where id = %L', :'project')), 'refused',
  'The owner changes no id'
);
select is(
  pg_temp.try(format('update public.projects set created_at = ''1970-01-01'' where id = %L', :'project')), 'refused',
  'The owner changes no age'
);
select is(
  pg_temp.try(format('insert into public.projects (user_id, created_at) values (%L, ''1970-01-01'')', :'owner')), 'refused',
  'Nor makes a project that is older than it is'
);

-- TEST: everything else is the queue's
create temporary table write (table_name text, statement text);
grant select on write to anon, authenticated, service_role;
insert into write values
  ('users', format('update public.users set credits = 1000000 where id = %L', :'owner')),
  ('users', format('update public.users set max_in_progress = 1000 where id = %L', :'owner')),
  ('users', 'insert into public.users (id, credits) values (gen_random_uuid(), 5)'),
  ('users', format('delete from public.users where id = %L', :'owner')),
  ('tasks', format('update public.tasks set status = ''Queued'' where id = %L', :'task')),
  ('tasks', format('delete from public.tasks where id = %L', :'task')),
  ('generations', format('insert into public.generations (user_id) values (%L)', :'owner')),
  ('generations', 'update public.generations set location = ''x'''),
  ('generations', 'delete from public.generations'),
  ('task_events', format('insert into public.task_events (task_id, at, to_status, attempt, actor) values (%L, now(), ''Complete'', 1, ''me'')', :'task')),
  ('task_events', 'delete from public.task_events'),
  ('task_types', 'update public.task_types set is_active = false'),
  ('user_api_tokens', format('insert into public.user_api_tokens (user_id, token_hash) values (%L, repeat(''a'', 64))', :'owner')),
  ('user_api_tokens', 'update public.user_api_tokens set expires_at = null'),
  ('workers', 'insert into public.workers (id) values (''gpu-9'')'),
  ('system_logs', 'insert into public.system_logs (source_type, log_level, message) values (''worker'', ''INFO'', ''x'')'),
  ('fairlane_core.settings', 'update fairlane_core.settings set default_task_limit = 100'),
  ('fairlane_core.user_slots', 'update fairlane_core.user_slots set task_limit = 100'),
  ('fairlane_core.user_queues', 'update fairlane_core.user_queues set last_served_at = ''2000-01-01'''),
  ('fairlane_core.blocked_tasks', 'delete from fairlane_core.blocked_tasks'),
  ('fairlane_core.task_dependencies', 'delete from fairlane_core.task_dependencies');
select is(pg_temp.try(w.statement), 'refused', 'The owner is refused: ' || split_part(w.statement, ' where', 1))
from write as w
order by w.table_name, w.statement;

-- TEST: anon writes nothing anywhere
select tests.authenticate_as('anon');
select is(array_agg(distinct pg_temp.try(w.statement)), array['refused'], 'anon is refused all of these') from write as w;
select is(
  pg_temp.try(format('insert into public.projects (user_id) values (%L)', :'owner')), 'refused', 'anon makes no project'
);
select is(pg_temp.try(format('delete from public.projects where id = %L', :'project')), 'refused', 'anon deletes no project');

-- TEST: the service changes no history and no derived state
select tests.authenticate_as('service_role');
select is(pg_temp.try(w.statement), 'refused', 'The service is refused: ' || split_part(w.statement, ' (', 1))
from write as w
where w.table_name in ('task_events', 'fairlane_core.user_slots', 'fairlane_core.user_queues')
order by w.table_name, w.statement;

-- TEST: who deletes a project deletes what is in it
select tests.authenticate_as(:'owner');
select is(pg_temp.try(format('delete from public.projects where user_id = %L', :'owner')), '2', 'The owner deletes their projects');
select tests.clear_authentication();
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
