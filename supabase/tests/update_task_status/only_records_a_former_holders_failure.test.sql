begin;
select plan(15);

-- SETUP: gpu-old was taken for dead and its task given to gpu-new, but gpu-old still beats
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
insert into public.workers (id, status, last_heartbeat) values
  ('gpu-old', 'active', fairlane_core.now()), ('gpu-new', 'active', fairlane_core.now());
create function pg_temp.passed_on(p_owner uuid, p_from text, p_to text) returns uuid language plpgsql as $$
declare
  v_task_id uuid := tests.create_task_in('In Progress', p_owner, p_worker_id => p_from);
begin
  update public.tasks set status = 'Queued', priority = 9 where id = v_task_id;
  if tests.claim(p_to) <> v_task_id then
    raise exception 'Setup: the wrong task was claimed';
  end if;
  update public.workers set last_heartbeat = fairlane_core.now();
  return v_task_id;
end;
$$;
create function pg_temp.fail(p_task_id uuid, p_lease uuid default null) returns text language sql as $$
  select tests.answer(format(
    'r ->> ''status'' || '' '' || (r ->> ''changed'') from public.update_task_status(%L, %L, ''Failed'', ''boom'', p_lease_token => %L) as r',
    tests.service(), p_task_id, p_lease
  ));
$$;
select pg_temp.passed_on(:'owner', 'gpu-old', 'gpu-new') as task \gset

-- TEST: without a lease it may be the former holder that speaks
select is(pg_temp.fail(:'task'), 'In Progress false', 'A failure without a lease is not applied while a former holder sends heartbeats');
select matches(
  (select e.reason from public.task_events as e where e.task_id = :'task' order by e.id desc limit 1), 'boom', 'But recorded'
);
select is((tests.task(:'task')).worker_id, 'gpu-new', 'The present holder keeps the task');
select is((tests.task(:'task')).error_message, null, 'Which has no error');

-- TEST: with its lease the present holder may fail the task
select is(
  pg_temp.fail(:'task', (tests.task(:'task')).lease_token), 'Failed true', 'A failure with the lease counts'
);

-- TEST: silent for as long as a worker may be, to the microsecond
select pg_temp.passed_on(:'owner', 'gpu-old', 'gpu-other') as task \gset
update public.workers set last_heartbeat = fairlane_core.now() - interval '99.999999 seconds';
select is(pg_temp.fail(:'task'), 'In Progress false', 'A heartbeat of less than 100 seconds ago is a sign of life');
update public.workers set last_heartbeat = fairlane_core.now() - interval '100 seconds';
select is(pg_temp.fail(:'task'), 'Failed true', 'One of 100 seconds ago is not');

-- TEST: a former holder that never beat, or that nobody knows, does not speak
select pg_temp.passed_on(:'owner', 'gpu-old', 'gpu-other2') as task \gset
update public.workers set last_heartbeat = null;
select is(pg_temp.fail(:'task'), 'Failed true', 'A former holder that never sent a heartbeat does not count');
select pg_temp.passed_on(:'owner', 'api-unknown', 'gpu-other3') as task \gset
select is(pg_temp.fail(:'task'), 'Failed true', 'A former holder that the table does not know does not count');

-- TEST: the beats of the present holder and of others mean nothing
select tests.create_task_in('In Progress', :'owner', p_worker_id => 'gpu-new') as task \gset
update public.workers set last_heartbeat = fairlane_core.now();
select is(pg_temp.fail(:'task'), 'Failed true', 'The only holder''s failure counts');
select pg_temp.passed_on(:'owner', 'gpu-other4', 'gpu-other5') as task \gset
select is(pg_temp.fail(:'task'), 'Failed true', 'Workers that never had the task do not matter');

-- TEST: a worker that got its own task again is its holder
select pg_temp.passed_on(:'owner', 'gpu-old', 'gpu-old') as task \gset
select is(pg_temp.fail(:'task'), 'Failed true', 'A worker that was given the same task again may fail it');

-- TEST: while the task waits, the former holder's failure does not end it: it will be tried again
select tests.create_task_in('Rescued', :'owner', p_worker_id => 'gpu-old') as task \gset
select is(pg_temp.fail(:'task'), 'Queued false', 'A failure of a task that waits again is only recorded');
select is((tests.task(:'task')).status, 'Queued', 'It stays in the queue');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
