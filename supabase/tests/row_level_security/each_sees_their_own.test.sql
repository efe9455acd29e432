begin;
select plan(44);

-- SETUP: owner and stranger each with something in every table
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_user() as stranger \gset
select tests.create_task_in('Complete', u) as task from unnest(array[:'owner', :'stranger']::uuid[]) as u;
select tests.with_token(u) from unnest(array[:'owner', :'stranger']::uuid[]) as u;
insert into public.workers (id) values ('gpu-1');
insert into public.system_logs (source_type, log_level, message) values ('worker', 'INFO', 'hello');

-- Who sees the rows of whom: for each table the column that names the owner.
create temporary table owned (table_name text, owner_column text);
insert into owned values
  ('users', 'id'), ('projects', 'user_id'), ('tasks', 'user_id'), ('generations', 'user_id'), ('task_events', 'user_id'),
  ('user_api_tokens', 'user_id');
grant select on owned to authenticated, service_role;
-- Runs a statement as it is: what it gives, or the state of the refusal.
create function pg_temp.try(p_statement text) returns text language plpgsql as $$
declare
  v_result text;
begin
  execute p_statement into v_result;
  return v_result;
exception when insufficient_privilege then
  return 'refused';
end;
$$;
create function pg_temp.owners(p_table text, p_column text) returns text language sql as $$
  select pg_temp.try(format('select string_agg(distinct %2$I::text, '' '' order by %2$I::text) from public.%1$I', p_table, p_column));
$$;

-- TEST: the owner
select tests.authenticate_as(:'owner');
select is(pg_temp.owners(o.table_name, o.owner_column), :'owner', format('The owner sees their own %s and no others', o.table_name))
from owned as o;

-- TEST: the stranger
select tests.authenticate_as(:'stranger');
select is(pg_temp.owners(o.table_name, o.owner_column), :'stranger', format('The stranger sees their own %s and no others', o.table_name))
from owned as o;

-- TEST: somebody signed in whom no row knows
select tests.authenticate_as(gen_random_uuid());
select is(pg_temp.owners(o.table_name, o.owner_column), null, format('Somebody else sees no %s', o.table_name))
from owned as o;

-- TEST: what is nobody's
select is(pg_temp.try('select count(*) > 0 from public.task_types'), 'true', 'Who is signed in sees the task types');
select is(pg_temp.try('select count(*) from public.workers'), 'refused', 'Who is signed in sees no workers');
select is(pg_temp.try('select count(*) from public.system_logs'), 'refused', 'Who is signed in sees no logs');
select is(pg_temp.try('select count(*) from fairlane_core.settings'), 'refused', 'Who is signed in sees no settings');
select is(pg_temp.try('select count(*) from fairlane_core.user_slots'), 'refused', 'Who is signed in sees no derived state');

-- TEST: a token's hash is nobody's business, not even its owner's
select tests.authenticate_as(:'owner');
select is(pg_temp.try('select token_hash from public.user_api_tokens'), 'refused', 'The owner does not see the hash of a token');

-- TEST: anon
select tests.authenticate_as('anon');
select is(pg_temp.try(format('select count(*) from public.%I', t.name)), 'refused', format('anon sees no %s', t.name))
from unnest('{users,projects,tasks,generations,task_events,user_api_tokens,task_types,workers,system_logs}'::text[]) as t (name);

-- TEST: the service sees all of it
select tests.authenticate_as('service_role');
select is(
  pg_temp.try(format('select count(distinct %1$I) from public.%2$I where %1$I in (%3$L, %4$L)', o.owner_column, o.table_name, :'owner', :'stranger')),
  '2', format('The service sees everybody''s %s', o.table_name)
)
from owned as o;
select is(pg_temp.try('select count(*) from public.workers'), '1', 'The service sees workers');
select is(pg_temp.try('select count(*) > 0 from public.system_logs'), 'true', 'The service sees logs');
select is(pg_temp.try('select count(*) from fairlane_core.settings'), '1', 'The service sees the settings');
select is(pg_temp.try('select count(*) from fairlane_core.user_slots'), '2', 'The service sees the derived state');
select is(pg_temp.try('update fairlane_core.settings set clock_offset = ''1 day'''), 'refused', 'The service does not move the clock');

select * from finish();
rollback;
