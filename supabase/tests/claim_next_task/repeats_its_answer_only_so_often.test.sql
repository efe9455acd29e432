begin;
select plan(24);

-- SETUP: a worker whose claim_id is always the same, and a task that kills it before its first report
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner', p_age => '2 hours') as poison \gset
select tests.create_task(:'owner', p_age => '1 hour') as next \gset
update fairlane_core.settings set max_uncounted_releases = 4;
select public.claim_next_task(tests.service(), 'gpu-1', null, 'same') ->> 'lease_token' as lease \gset

-- TEST: as long as the reply may have been lost, it is free
select array_agg(public.claim_next_task(tests.service(), 'gpu-1', null, 'same') ->> 'lease_token') as leases from generate_series(1, 4) \gset
select is(:'leases'::uuid[], array_fill(:'lease'::uuid, array[4]), 'claim_next_task() answers a claim_id again under the same lease');
select is(
  (select array[t.attempts, t.claim_repeats, t.uncounted_releases] from public.tasks as t where t.id = :'poison'), array[1, 4, 0],
  'As often as attempts are uncounted, at no cost'
);
select is(
  (select count(*)::integer from public.task_events where task_id = :'poison' and to_status = 'In Progress'), 1,
  'Such an answer is no event'
);

-- TEST: then each is a start, and the last one ends the task
select public.claim_next_task(tests.service(), 'gpu-1', null, 'same')::jsonb as reply \gset
select is((:'reply'::jsonb ->> 'attempt')::integer, 2, 'The next answer is a new start');
select isnt(:'reply'::jsonb ->> 'lease_token', :'lease'::text, 'Under a new lease');
select is(tests.claim('gpu-1', 'gpu', 'same'), :'poison', 'And so is the one after it');
select is((tests.task(:'poison')).attempts, 3, 'The attempts of a worker that is killed again and again are used up');
select is(tests.claim('gpu-1', 'gpu', 'same'), :'next', 'After the last one the claim goes on, under its claim_id');
select is((tests.task(:'poison')).status, 'Failed', 'The task has ended');
select matches((tests.task(:'poison')).error_message, '3 attempts.*gpu-1 repeated its claim', 'The reason says how often and by whom');
select is((tests.task(:'poison')).output_location, (tests.task(:'poison')).error_message, 'Where deployed clients look, too');
select is(
  (select array_agg(e.reason order by e.id) from public.task_events as e where e.task_id = :'poison' and e.to_status = 'In Progress'),
  array[null, 'started again by its holder', 'started again by its holder'], 'The story has all three starts'
);
select is(tests.claim('gpu-1', 'gpu', 'same'), :'next', 'The next task is what the claim_id is answered with from now on');
select is((tests.task(:'next')).attempts, 1, 'And has used up nothing of its own');

-- TEST: a requeue begins anew
select public.requeue_tasks(array[:'poison'::uuid]);
select is((tests.task(:'poison')).claim_repeats, 0, 'A requeue forgets the repetitions');

-- TEST: once the worker has named the task it has had the reply: it died and came back
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner') as task \gset
select tests.claim('gpu-1', 'gpu', 'kept');
select public.update_task_status(tests.service(), :'task', 'In Progress');
select tests.step_clock('58 seconds');
select is(tests.claim('gpu-1', 'gpu', 'kept'), :'task', 'A request that was held up on its way is answered');
select is((tests.task(:'task')).attempts, 1, 'At no cost');
select tests.step_clock('1 second');
select is(tests.claim('gpu-1', 'gpu', 'kept'), :'task', 'A minute after the start it is answered with the task as well');
select is((tests.task(:'task')).attempts, 2, 'As a new start');
select is((tests.task(:'task')).delivered_at, null, 'Not yet delivered');

-- TEST: an orchestrator that only waits for its children is not started again
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner', 'film_orchestrator') as orchestrator \gset
select tests.claim('gpu-1', 'gpu', 'orchestrates');
select tests.create_task(:'owner', p_params => jsonb_build_object(fairlane_core.parent_key(), :'orchestrator')) as child \gset
select public.update_task_status(tests.service(), :'orchestrator', 'In Progress', 'Enqueued 1 part');
select is(
  tests.answer(format('public.claim_next_task(%L, ''gpu-1'', ''gpu'', ''orchestrates'')', tests.service())),
  '409 CLAIM_ID_USED', 'claim_next_task() refuses a claim_id whose orchestrator has enqueued everything'
);
select is((tests.task(:'orchestrator')).attempts, 1, 'The orchestrator goes on in its current attempt');
select is(tests.claim('gpu-1', 'gpu', 'another'), :'child', 'Another claim_id gets its child');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
