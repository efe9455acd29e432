begin;
select plan(23);

-- SETUP: an owner's live, fresh and old work
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.step_clock('-4 days');
select tests.create_task(:'owner') as ended_late \gset
select tests.step_clock('1 day');
select tests.create_task_in('Complete', :'owner') as old \gset
select tests.create_task(:'owner') as waiting \gset
select tests.step_clock('3 days');
select tests.create_task(:'owner') as queued \gset
select tests.create_task_in('Complete', :'owner') as fresh \gset
update public.tasks as t set status = 'Cancelled' where t.id = :'ended_late';

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
-- Every column that deployed workers ask for or filter by.
create function pg_temp.read(p_id uuid) returns text language sql as $$
  select pg_temp.try(format(
    'select count(*) from (
      select id, params, task_type, project_id, status, dependant_on, output_location, created_at
      from public.tasks
      where id = %L and (worker_id is null or worker_id <> '''') and params @> ''{}''
    ) as seen', p_id
  ));
$$;
create function pg_temp.allow(p_is_allowed boolean) returns void language plpgsql as $$
begin
  reset role;
  perform fairlane_core.allow_anon_reads(p_is_allowed);
  perform tests.authenticate_as('anon');
end;
$$;

-- TEST: closed as it ships
select tests.authenticate_as('anon');
select is(pg_temp.read(:'queued'), 'refused', 'The anon key reads no tasks by default');

-- TEST: open, for what workers ask and no more
select lives_ok('select pg_temp.allow(true)', 'allow_anon_reads() opens the reads');
select is(pg_temp.read(:'queued'), '1', 'Then a queued task is read');
select is(pg_temp.read(:'fresh'), '1', 'A task that ended within a day is read');
select is(pg_temp.read(:'waiting'), '1', 'A task that has been waiting for days is read');
select is(pg_temp.read(:'old'), '0', 'A task that ended before that is not');
select is(pg_temp.read(:'ended_late'), '0', 'Nor one that ended within a day, and was enqueued more than three days before');
select is(pg_temp.try(format('select %I from public.tasks limit 1', c.name)), 'refused', format('%s stays hidden', c.name))
from unnest('{user_id,lease_token,claim_id,token_id,error_details,result_data,idempotency_key}'::text[]) as c (name);
select is(pg_temp.try('delete from public.tasks returning id'), 'refused', 'It deletes nothing');
select is(pg_temp.try('update public.tasks set status = ''Failed'' returning id'), 'refused', 'It changes nothing');
select is(pg_temp.try('insert into public.tasks (task_type) values (''t'') returning id'), 'refused', 'It enqueues nothing');
select is(pg_temp.try('select count(*) from public.workers'), 'refused', 'Other tables stay closed');

-- TEST: no API role has the switch
select is(pg_temp.try('select fairlane_core.allow_anon_reads(true)'), 'refused', 'The anon key cannot open it');
select tests.authenticate_as('service_role');
select is(pg_temp.try('select fairlane_core.allow_anon_reads(true)'), 'refused', 'The service key cannot open it');

-- TEST: twice is once, and closed is closed
select lives_ok('select pg_temp.allow(true)', 'allow_anon_reads() may be said again');
select pg_temp.allow(false);
select is(pg_temp.read(:'queued'), 'refused', 'allow_anon_reads(false) closes the reads again');
reset role;
select is_empty(
  $$ select * from information_schema.column_privileges where table_name = 'tasks' and grantee = 'anon' $$,
  'anon holds nothing on tasks after that'
);

select * from finish();
rollback;
