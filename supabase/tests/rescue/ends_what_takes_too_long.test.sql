begin;
select plan(8);

-- SETUP: workers that beat, tasks that go on
select tests.empty_queue();
select tests.step_clock('1 hour');
select tests.create_user(p_max_in_progress => 100) as owner \gset
insert into public.workers (id, status, last_heartbeat) values ('gpu-alive', 'active', fairlane_core.now());
update public.task_types set timeout = '30 minutes' where name = 'clip';
create function pg_temp.running(p_owner uuid, p_for interval, p_timeout interval default null, p_type text default 'clip')
returns uuid language plpgsql as $$
declare
  v_task_id uuid := tests.create_task_in('In Progress', p_owner, p_type, 'gpu-alive');
begin
  update public.tasks
  set claimed_at = fairlane_core.now() - p_for, timeout = p_timeout, delivered_at = fairlane_core.now(), reported_at = fairlane_core.now()
  where id = v_task_id;
  return v_task_id;
end;
$$;

-- TEST
select pg_temp.running(:'owner', '30 minutes') as in_time \gset
select pg_temp.running(:'owner', '30 minutes 1 second') as late \gset
select pg_temp.running(:'owner', '3 hours', '4 hours') as longer \gset
select pg_temp.running(:'owner', '2 minutes', '1 minute') as shorter \gset
select pg_temp.running(:'owner', '9 hours', null, 'montage') as endless \gset
select fairlane_core.rescue();
select is((tests.task(:'in_time')).status, 'In Progress', 'A task within its type''s timeout goes on');
select is((tests.task(:'late')).status, 'Queued', 'One beyond it is requeued, although its worker sends heartbeats');
select matches((tests.task(:'late')).error_message, 'it ran for 1801 s, its timeout is 1800 s', 'And says so');
select is((tests.task(:'late')).attempts, 1, 'The start counts');
select is((tests.task(:'longer')).status, 'In Progress', 'A longer timeout of its own holds');
select is((tests.task(:'shorter')).status, 'Queued', 'So does a shorter one');
select is((tests.task(:'endless')).status, 'In Progress', 'Without a timeout a live worker''s task is never too long');
select is((select w.status from public.workers as w where w.id = 'gpu-alive'), 'active', 'The worker is not to blame');

select * from finish();
rollback;
