begin;
select plan(17);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 20) as owner \gset
select tests.create_task(:'owner', 'edit_image') from generate_series(1, 8);

-- TEST: the same request gets the same answer, to the letter
select public.claim_next_task(tests.service(), 'api-1', 'api', 'claim-a')::text as reply \gset
select tests.step_clock('1 minute');
select is(
  public.claim_next_task(tests.service(), 'api-1', 'api', 'claim-a')::text, :'reply',
  'claim_next_task() answers a repeated claim_id with the same task and lease'
);
select is((select count(*)::integer from public.tasks where status = 'In Progress'), 1, 'The repetition starts nothing');
select :'reply'::json ->> 'task_id' as task \gset
select is((tests.task(:'task')).attempts, 1, 'The repetition counts no start');
select is(
  (select count(*)::integer from public.task_events where task_id = :'task' and to_status = 'In Progress'), 1,
  'The repetition is no event'
);

-- TEST: another request gets another task
select isnt(tests.claim('api-1', 'api', 'claim-b'), :'task', 'Another claim_id gets another task');
select isnt(tests.claim('api-2', 'api', 'claim-a'), :'task', 'The same claim_id from another worker gets another task');

-- TEST: also after the worker has shown that it has the task: the request was held up on its way
select tests.step_clock('-30 seconds');
select public.update_task_status(tests.service(), :'task', 'In Progress');
select is(
  public.claim_next_task(tests.service(), 'api-1', 'api', 'claim-a') ->> 'task_id', :'task'::text,
  'claim_next_task() repeats the answer also when the task was reported on'
);

select tests.step_clock('30 seconds');

-- TEST: a task that has ended is no answer any more
select public.complete_task(tests.service(), :'task', 'https://files/a.png');
select is(
  tests.answer(format('public.claim_next_task(%L, ''api-1'', ''api'', ''claim-a'')', tests.service())),
  '409 CLAIM_ID_USED', 'claim_next_task() refuses a claim_id whose task has ended'
);

-- TEST: a user's own machine may repeat itself likewise
select tests.with_token(:'owner') as token \gset
select is(
  tests.answer(format('public.claim_next_task(%L, ''mac'', ''api'', ''claim-c'') ->> ''attempt''', :'token')), '1',
  'A token may name a claim_id'
);
select is(
  tests.answer(format('public.claim_next_task(%L, ''mac'', ''api'', ''claim-c'') ->> ''attempt''', :'token')), '1',
  'A token may repeat it'
);
select is(
  (select count(*)::integer from public.tasks where worker_id like 'token:%:mac' and status = 'In Progress'), 1,
  'And gets the same task'
);

-- TEST: what somebody else called their claim concerns nobody
select tests.create_user() as stranger \gset
select tests.create_task(:'stranger', 'edit_image') as strangers_task \gset
select is(
  tests.answer(format('public.claim_next_task(%L, ''mac'', ''api'', ''claim-c'') ->> ''task_id''', tests.with_token(:'stranger'))),
  :'strangers_task', 'Another user''s machine may use the same worker id and claim_id'
);

-- TEST: a requeued task belongs to nobody; the repetition is a new claim
select tests.claim('api-7', 'api', 'claim-d') as rescued \gset
update public.tasks set status = 'Queued', priority = 99 where id = :'rescued';
select is(tests.claim('api-7', 'api', 'claim-d'), :'rescued', 'claim_next_task() hands out a rescued task anew');
select is((tests.task(:'rescued')).attempts, 2, 'And counts the second start');

-- TEST: a gpu worker that repeats its claim gets its one task, not a requeued one
select tests.create_task(:'owner') as gpu_task \gset
select public.claim_next_task(tests.service(), 'gpu-1', null, 'claim-e') ->> 'lease_token' as lease \gset
select public.update_task_status(tests.service(), :'gpu_task', 'In Progress');
select is(
  public.claim_next_task(tests.service(), 'gpu-1', null, 'claim-e') ->> 'lease_token', :'lease'::text,
  'A gpu worker''s repetition keeps the lease'
);
select is((tests.task(:'gpu_task')).attempts, 1, 'And counts no start');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
