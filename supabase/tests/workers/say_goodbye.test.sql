begin;
select plan(27);

-- SETUP: a worker with a task in hand, an orchestrator that waits for its child, and one that has enqueued nothing
select tests.empty_queue();
delete from public.workers;
select tests.create_user(p_max_in_progress => 50) as owner \gset
insert into public.workers (id, status, last_heartbeat, metadata)
select w, 'active', fairlane_core.now(), '{"orchestrator_status": "active"}' from unnest(array['gpu-1', 'gpu-2', 'gpu-3', 'gpu-4']) as w;
insert into public.workers (id, status, last_heartbeat) values ('token-worker', 'active', fairlane_core.now());
select tests.create_task_in('In Progress', :'owner', 'clip', 'gpu-1') as held \gset
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator', 'gpu-1') as waiting \gset
select tests.create_task(:'owner', 'clip', p_params => jsonb_build_object(fairlane_core.parent_key(), :'waiting')) as child \gset
select fairlane_core.note_enqueued(:'waiting');
select tests.create_task_in('In Progress', :'owner', 'clip', 'token-worker') as of_many \gset
create function pg_temp.leave(p_worker_id text, p_status text default 'terminated') returns text language plpgsql as $$
begin
  perform tests.beat(p_worker_id, '[]', jsonb_build_object('status_param', p_status, 'vram_total_mb_param', 0, 'vram_used_mb_param', 0));
  return (tests.worker(p_worker_id)).status;
end;
$$;
create function pg_temp.claim(p_worker_id text) returns jsonb language sql as $$
  select jsonb_build_object('task_id', tests.claim(p_worker_id));
$$;

-- TEST: the goodbye
select is(pg_temp.leave('gpu-1'), 'terminated', 'A worker that says goodbye is terminated');
select is(
  (select row(t.status, t.attempts, t.worker_id)::text from public.tasks as t where t.id = :'held'), '(Queued,0,)',
  'Its work is requeued at once, and that attempt does not count'
);
select matches(
  (select e.reason from public.task_events as e where e.task_id = :'held' order by e.id desc limit 1),
  'released: worker gpu-1 said that it ends', 'The history says why'
);
select is((select t.status from public.tasks as t where t.id = :'waiting'), 'In Progress', 'An orchestrator that waits for its children goes on');
select is((tests.worker('gpu-1')).failed_at, null, 'That is no failure');
select is((tests.worker('gpu-1')).metadata ->> 'error_reason', 'The worker said that it ends', 'It has a reason like every end');
select is((tests.worker('gpu-1')).metadata ->> 'orchestrator_status', 'terminated', 'Orchestrators are told by their own word');
select is(pg_temp.leave('gpu-1'), 'terminated', 'It may say so twice');
select is(pg_temp.leave('gpu-1', 'crashed'), 'terminated', 'A guardian that then finds the process gone changes nothing');
select is((tests.worker('gpu-1')).failed_at, null, 'Neither is that a failure');

-- TEST: it comes back
update public.tasks set priority = 1 where id = :'held'; -- of two it is first in line
select is(pg_temp.leave('gpu-1', 'active'), 'active', 'The next heartbeat makes it active again');
select is((tests.worker('gpu-1')).metadata - '{vram_timestamp,vram_total_mb,vram_used_mb}'::text[], '{"orchestrator_status": "active"}', 'As if nothing had been');
select pg_temp.leave('gpu-1');
select is(pg_temp.claim('gpu-1') ->> 'task_id', :'held', 'So does a claim');
select is((tests.worker('gpu-1')).status, 'active', 'Which makes it active, too');
select is((tests.worker('gpu-1')).goodbye_at, null, 'And forgets the goodbye');

-- TEST: who wrote it
select pg_temp.leave('gpu-1');
set local role service_role;
update public.workers set status = 'terminated', metadata = metadata || '{"terminated_by": "orchestrator"}' where id = 'gpu-1';
reset role;
select is(pg_temp.leave('gpu-1', 'active'), 'terminated', 'Once an orchestrator has said it, it stays');
select is(
  tests.answer(format('public.claim_next_task(%L, ''gpu-1'', ''gpu'')', tests.service())), '409 WORKER_NOT_ELIGIBLE', 'Also for claims'
);
set local role service_role;
update public.workers set status = 'terminating' where id = 'gpu-2';
reset role;
select tests.create_task_in('In Progress', :'owner', 'clip', 'gpu-2') as last \gset
select is(pg_temp.leave('gpu-2'), 'terminating', 'Whoever sent a worker away says when it is gone');
select is((select t.status from public.tasks as t where t.id = :'last'), 'Queued', 'Its work is free at once all the same');
select pg_temp.leave('gpu-3');
set local role service_role;
update public.workers set metadata = metadata || '{"startup_phase": "ready"}' where id = 'gpu-3';
reset role;
select is(pg_temp.leave('gpu-3', 'active'), 'active', 'Who writes only metadata says nothing about the status');

-- TEST: unknown ids
select is(pg_temp.leave('newcomer'), 'terminated', 'An unknown worker may begin with its goodbye');
select is(pg_temp.leave('newcomer', 'active'), 'active', 'And is not locked out');
select is(pg_temp.leave('confused', 'error'), 'active', 'A worker cannot lock itself out by what it says');

-- TEST: names that many machines share
select is(pg_temp.leave('token-worker'), 'active', 'The end of one machine is not that of all');
select is((select t.status from public.tasks as t where t.id = :'of_many'), 'In Progress', 'The others keep their work');
select throws_ok(
  $$ set local role service_role; update public.workers set goodbye_at = now() $$, '42501', null, 'No API role can say goodbye for a worker'
);
reset role;
select is_empty('select * from fairlane_core.drift()', 'Nothing has drifted');

select * from finish();
rollback;
