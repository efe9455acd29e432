begin;
select plan(8);

-- SETUP: two changes whose work was put off
select tests.empty_queue();
delete from fairlane_core.deferred_work;
update fairlane_core.job_runs set scheduled_at = fairlane_core.now(), ran_at = fairlane_core.now(), failed_at = null, result = null;
select tests.create_user() as owner \gset
select tests.create_task(:'owner') as task \gset
insert into fairlane_core.deferred_work (kind, task_id, user_id, status, since)
values ('children', :'task', :'owner', 'deleted', fairlane_core.now()), ('dependents', :'task', :'owner', 'Complete', fairlane_core.now());
create function pg_temp.reasons() returns jsonb language plpgsql as $$
declare
  v_reply jsonb;
begin
  -- The jobs run, whatever the clock says.
  update fairlane_core.job_runs set ran_at = fairlane_core.now();
  set local role service_role;
  v_reply := public.health(tests.service());
  reset role;
  return v_reply -> 'reasons';
end;
$$;

-- TEST: in time
select is(pg_temp.reasons(), '[]', 'What was put off just now is no reason');
select tests.step_clock('5 minutes');
select is(pg_temp.reasons(), '[]', 'Nor is it after five minutes');

-- TEST: late
select tests.step_clock('1 second');
update fairlane_core.deferred_work set since = fairlane_core.now() where kind = 'dependents';
select is(pg_temp.reasons() #>> '{0,code}', 'SETTLING_LATE', 'After that it is, though every job runs');
select matches(pg_temp.reasons() #>> '{0,message}', '^1 changes .* 5 minutes, the oldest \(children\) since ', 'It says how many and since when');
select substring(pg_temp.reasons() #>> '{0,message}' from 'select .*$') as statement \gset
select results_eq(format('select x.kind from (%s) as x', :'statement'), array['children'], 'And how to see them');
select tests.step_clock('6 minutes');
select matches(pg_temp.reasons() #>> '{0,message}', '^2 changes .* \(children\)', 'All of them are counted, the oldest is named');

-- TEST: settled
select fairlane_core.run_job('settle');
select is((select count(*)::integer from fairlane_core.deferred_work), 0, 'What was put off is done');
select is(pg_temp.reasons(), '[]', 'Then all is well again');

select * from finish();
rollback;
