begin;
select plan(25);

-- SETUP
select tests.empty_queue();
create function pg_temp.explain(p_worker_id text, p_run_type text default null) returns jsonb language sql as $$
  select tests.answer(format('public.explain_worker(tests.service(), %L, %L)', p_worker_id, p_run_type))::jsonb;
$$;
create function pg_temp.reason(p_worker_id text, p_run_type text default null) returns text language sql as $$
  select pg_temp.explain(p_worker_id, p_run_type) ->> 'reason';
$$;
select tests.create_user() as owner \gset
insert into public.workers (id, status, last_heartbeat, current_model)
values ('gpu-1', 'active', fairlane_core.now() - interval '5 seconds', 'some-model');
insert into public.workers (id, status)
values ('going', 'terminating'), ('gone', 'terminated'), ('broken', 'error'), ('crashed', 'crashed'), ('new', 'spawning');

-- TEST: nothing to claim
select is(pg_temp.reason('gpu-1'), 'nothing_claimable', 'In an empty queue nothing is claimable');
select is(pg_temp.explain('gpu-1') -> 'blocked', '{}', 'And nothing is blocked');
select tests.create_task(:'owner', p_dependant_on => gen_random_uuid());
select tests.create_task(:'owner', p_age => '8 days');
select is(pg_temp.reason('gpu-1'), 'nothing_claimable', 'Where all that waits is blocked neither');
select is(pg_temp.explain('gpu-1') -> 'blocked', '{"dependency_lost": 1, "stale": 1}', 'blocked says what waits for what');
select is(pg_temp.explain('gpu-1') -> 'gets_work', 'false', 'The worker gets no work');
select isnt(pg_temp.explain('gpu-1') ->> 'remedy', null, 'What would have to change is said');

-- TEST: something to claim
select tests.create_task(:'owner') as task \gset
select is(pg_temp.reason('gpu-1'), null, 'Nothing is in the way of work');
select is(
  pg_temp.explain('gpu-1') - 'blocked' - 'remedy' - 'last_heartbeat',
  '{"worker_id": "gpu-1", "known": true, "status": "active", "current_model": "some-model", "pool": "gpu", "gets_work": true, "reason": null, "claimable": 1, "holds": []}',
  'The worker is shown as the fleet knows it'
);
select is((pg_temp.explain('gpu-1') ->> 'last_heartbeat')::timestamptz, fairlane_core.now() - interval '5 seconds', 'With its last heartbeat');
select is(pg_temp.explain('unheard-of') -> 'gets_work', 'true', 'A worker that never announced itself gets work too');
select is(pg_temp.explain('unheard-of') -> 'known', 'false', 'And is shown as unknown');

-- TEST: its own status
select is(pg_temp.reason('going'), 'worker_terminating', 'A terminating worker gets nothing');
select is(pg_temp.reason('gone'), 'worker_terminated', 'A terminated worker gets nothing');
select is(pg_temp.reason('broken'), 'worker_error', 'A worker in error gets nothing');
select is(pg_temp.explain('gone') ->> 'remedy', 'Claim under a new worker id', 'Only a new worker helps');
select is(
  (select array_agg(w || ' ' || (tests.answer(format('public.claim_next_task(tests.service(), %L)', w)) ~ '^409') order by w)
  from unnest('{going,gone,broken}'::text[]) as w),
  '{broken true,going true,gone true}', 'claim_next_task() refuses exactly these'
);
select is(pg_temp.reason('crashed'), null, 'A worker that crashed may come back');
select is(pg_temp.reason('new'), null, 'A worker that has just been rented may claim');

-- TEST: what it holds already
select is(tests.claim('gpu-1'), :'task', 'The worker takes the task');
select tests.create_task(:'owner');
select is(pg_temp.reason('gpu-1'), 'holds_all_it_may', 'A worker that holds its task gets no other');
select is(pg_temp.explain('gpu-1') #>> '{holds,0,task_id}', :'task', 'It is told which it holds');
select is(pg_temp.reason('gpu-1', 'api'), 'nothing_claimable', 'In the other pool it holds nothing');
update fairlane_core.settings set gpu_tasks_per_worker = 2;
select is(pg_temp.reason('gpu-1'), null, 'With a higher limit it gets more');
update fairlane_core.settings set gpu_tasks_per_worker = 1, shared_worker_ids = '{gpu-1}';
select is(pg_temp.reason('gpu-1'), null, 'An id that several workers share has no such limit');

-- TEST: orchestration does not count
update fairlane_core.settings set shared_worker_ids = '{}';
update public.tasks set status = 'Complete' where id = :'task';
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator', 'gpu-1');
select is(pg_temp.reason('gpu-1'), null, 'A worker that only orchestrates gets work');

select * from finish();
rollback;
