begin;
select plan(7);

-- SETUP: two workers, a task each
select tests.empty_queue();
delete from public.workers;
select tests.create_user() as owner \gset
insert into public.workers (id, status, last_heartbeat, metadata)
select w, 'active', fairlane_core.now(), '{"machine": "pod-1"}' from unnest(array['gpu-1', 'gpu-2']) as w;
create function pg_temp.crash(p_worker_id text) returns void language sql as $$
  select tests.beat(p_worker_id, '[]', '{"status_param": "crashed"}');
$$;

-- TEST: a crash, and a claim before the first beat
select pg_temp.crash('gpu-1');
select tests.create_task(:'owner', 'clip') as task \gset
select is(tests.claim('gpu-1')::text, :'task', 'A worker that crashed gets work');
select is((tests.worker('gpu-1')).status, 'active', 'And is there again');
select ok(
  (tests.worker('gpu-1')).metadata ? 'last_error_reason' and not (tests.worker('gpu-1')).metadata ? 'error_reason',
  'What was wrong is over'
);
select fairlane_core.rescue();
select is((select t.status from public.tasks as t where t.id = :'task'), 'In Progress', 'The rescue leaves it its work');
select pg_temp.crash('gpu-1');
select is((select row(t.status, t.attempts)::text from public.tasks as t where t.id = :'task'), '(Queued,1)', 'A second crash is one');

-- TEST: a start that failed with a reason, then a goodbye of the next holder
select tests.claim('gpu-2') as of_the_second \gset
update public.tasks set available_at = null, priority = 1 where id = :'task';
set local role service_role;
select public.update_task_status(
  tests.service(), :'task', 'Queued', p_attempts => 2, p_error_details => 'Retry 2 (network_transient): reset by peer'
) as reply \gset
reset role;
select is(tests.claim('gpu-1')::text, :'task', 'Another worker has the task');
select tests.beat('gpu-1', '[]', '{"status_param": "terminated"}');
select is(
  (select row(t.status, t.attempts)::text from public.tasks as t where t.id = :'task'), '(Queued,2)',
  'Its goodbye releases the task, however the previous attempt ended'
);

select * from finish();
rollback;
