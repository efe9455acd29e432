begin;
select plan(17);

-- SETUP: six workers, as in October: each claims a task, never beats and is set aside
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as owner \gset
insert into public.workers (id, instance_type, status, created_at)
select 'gpu-' || i, 'gpu', 'active', fairlane_core.now() from generate_series(1, 6) as i;
select array_agg(tests.create_task_in('In Progress', :'owner', 'clip', 'gpu-' || i) order by i) as tasks
from generate_series(1, 6) as i \gset
create function pg_temp.health(p_minutes numeric default 30) returns jsonb language plpgsql as $$
declare
  v_reply json;
begin
  set local role service_role;
  v_reply := public.worker_health(tests.service(), p_minutes);
  reset role;
  return v_reply;
end;
$$;
select is(pg_temp.health() #> '{failures,workers_failed}', '0', 'Nobody has failed');
select is(pg_temp.health() #>> '{failures,failure_rate}', '0.000', 'The rate is 0');

select tests.step_clock('330 s');
set local role service_role;
update public.tasks set status = 'Failed', error_message = 'cuda' where id = (:'tasks'::uuid[])[2];
update public.workers
set status = 'error', metadata = jsonb_build_object('error_reason', format('Stale heartbeat with active tasks (%ss old)', 327 + length(id)))
where id in ('gpu-1', 'gpu-2');
update public.workers set status = 'terminated' where id = 'gpu-3';
update public.workers set status = 'error' where id = 'gpu-4';
update public.tasks set status = 'Queued', error_message = 'orphaned' where id = (:'tasks'::uuid[])[1];
reset role;

-- TEST: the rate and the reasons
select is(pg_temp.health() #> '{failures,workers_seen}', '6', 'All were seen');
select is(pg_temp.health() #> '{failures,workers_failed}', '4', 'Error and termination with work held are failures');
select is(pg_temp.health() #>> '{failures,failure_rate}', '0.667', 'The rate is a share of those that were seen');
select is(
  pg_temp.health() #> '{failures,reasons,0}', '{"reason": "Stale heartbeat with active tasks (Ns old)", "workers": 2}',
  'Reasons that differ in a number are one'
);
select is(jsonb_array_length(pg_temp.health() #> '{failures,reasons}'), 3, 'Each failure has a reason, also when nobody gave one');

-- TEST: what they took down
create temporary view taken_down as
select w ->> 'worker_id' as worker_id, t ->> 'task_id' as task_id, t ->> 'outcome' as outcome
from jsonb_path_query(pg_temp.health(), '$.failures.failed_workers[*]') as w
  cross join jsonb_array_elements(w -> 'tasks') as t;
select results_eq(
  'select worker_id, outcome from taken_down order by worker_id',
  $$ values ('gpu-1', 'requeue_lost'), ('gpu-2', 'failed'), ('gpu-3', 'requeue_lost'), ('gpu-4', 'requeue_lost') $$,
  'Each failed worker comes with the tasks it took down'
);
select is((select task_id from taken_down where worker_id = 'gpu-1'), ((:'tasks'::uuid[])[1])::text, 'By their ids');

-- TEST: whether to rent more
select is(pg_temp.health() #>> '{spawning,code}', 'WORKERS_FAIL', 'While most fail, renting more makes no sense');
select is(pg_temp.health() #> '{spawning,makes_sense}', 'false', 'And that is said');
select matches(pg_temp.health() #>> '{spawning,message}', '4 of 6 workers failed .* Stale heartbeat', 'With the reason');
update fairlane_core.settings set max_failure_rate = 1;
select is(pg_temp.health() #>> '{spawning,code}', 'MORE_WORK_THAN_WORKERS', 'The bound is a setting');
insert into public.workers (id, status, last_heartbeat, created_at) select 'gpu-' || i, 'active', fairlane_core.now(), fairlane_core.now() from generate_series(7, 9) as i;
select is(pg_temp.health() #>> '{spawning,code}', 'ENOUGH_WORKERS', 'A free worker for each task is enough');
update public.tasks set status = 'Cancelled' where readiness = 'ready';
select is(pg_temp.health() #>> '{spawning,code}', 'NOTHING_CLAIMABLE', 'Without work nothing needs to be rented');

-- TEST: the window
select tests.step_clock('29 minutes');
select is(pg_temp.health(20) #> '{failures,workers_failed}', '0', 'A window leaves out what came before');
select is(
  tests.answer(format('public.worker_health(%L, 0)', tests.service())), '400 INVALID_ARGUMENT', 'A window has a length'
);

select * from finish();
rollback;
