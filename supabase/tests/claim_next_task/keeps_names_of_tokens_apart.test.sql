begin;
select plan(24);

-- SETUP: Ana has no credits, and knows what the fleet's worker is called
select tests.empty_queue();
select tests.create_user(p_credits => 0) as ana \gset
select tests.with_token(:'ana') as token \gset
select tests.with_token(:'ana') as second_token \gset
select tests.create_task(:'ana') as task \gset
insert into public.workers (id, instance_type, status, last_heartbeat) values ('gpu-fleet-1', 'gpu', 'active', fairlane_core.now());
select format('token:%s:gpu-fleet-1', tests.token_id(:'token')) as stored \gset

-- TEST: what a token claims under the name of a worker of the fleet is not that worker's
select is(tests.claim('gpu-fleet-1', 'gpu', null, :'token'), :'task', 'A token claims under any name');
select is((tests.task(:'task')).worker_id, :'stored', 'The task is held by that name of this token');
select is(
  (select e.worker_id from public.task_events as e where e.task_id = :'task' and e.to_status = 'In Progress'), :'stored',
  'And so says its history'
);
select is_empty(
  $$select from public.tasks where worker_id = 'gpu-fleet-1'$$, 'The fleet''s worker finds nothing under its name'
);
select is(tests.claim('gpu-fleet-1'), null, 'And its claim gets nothing');
select is(
  tests.answer('public.func_worker_heartbeat_with_logs(''{"worker_id_param": "gpu-fleet-1"}'') ->> ''stop'''), '[]',
  'Its heartbeat gets no tasks to stop'
);
update public.workers set status = 'terminated', metadata = '{"error_reason": "gone"}' where id = 'gpu-fleet-1';
select is((tests.task(:'task')).status, 'In Progress', 'Its end takes nothing from the user''s machine');

-- TEST: nor is it another token's
select is(tests.claim('gpu-fleet-1', 'gpu', null, :'second_token'), null, 'A second token of that name gets nothing back');
update public.tasks set delivered_at = fairlane_core.now() where id = :'task';
select is(tests.claim('gpu-fleet-1', 'gpu', null, :'token'), :'task', 'The first gets back what it holds');
select is((tests.task(:'task')).attempts, 2, 'As a further start');

-- TEST: a name that contains another token's is one's own all the same
select is(tests.claim(:'stored', 'gpu', null, :'second_token'), null, 'A token cannot borrow the stored name of another token');

-- TEST: replies to its owner give the name as it was sent
select is(
  tests.answer(format('public.explain_task(%L, %L) ->> ''worker_id''', :'token', :'task')), 'gpu-fleet-1',
  'explain_task() tells the owner the name as it was sent'
);
select is(
  tests.answer(format('public.explain_task(%L, %L) ->> ''worker_id''', tests.service(), :'task')), :'stored',
  'And the service the one that is stored'
);
select is(
  tests.answer(format('public.explain_worker(%L, ''gpu-fleet-1'') #>> ''{holds,0,task_id}''', :'token')), :'task',
  'explain_worker() finds what the token holds under the name it sends'
);
select is(
  tests.answer(format('public.explain_worker(%L, %L) #>> ''{holds,0,task_id}''', tests.service(), :'stored')), :'task',
  'And an operator what is held under the stored one'
);
select is(tests.counts(p_caller => :'token') #>> '{active_tasks,0,worker_id}', 'gpu-fleet-1', 'task_counts() lists the name as it was sent');
select is(tests.counts() #>> '{active_tasks,0,worker_id}', :'stored', 'And to the service as it is stored');

-- TEST: no worker of the fleet goes by such a name, whichever way it comes in
select is(
  tests.answer(format('public.claim_next_task(tests.service(), %L)', :'stored')), '400 INVALID_ARGUMENT',
  'A claim with the service key is refused'
);
select is(
  tests.answer(format('public.claim_next_task(tests.service(), %L, p_claim_id => ''c'')', 'token:anything')), '400 INVALID_ARGUMENT',
  'With a claim_id as well'
);
select is(
  tests.answer(format('public.func_worker_heartbeat_with_logs(%L::json)', json_build_object('worker_id_param', :'stored'))),
  '400 INVALID_ARGUMENT', 'So is a heartbeat'
);
select throws_ok(
  format('insert into public.workers (id) values (%L)', :'stored'), 'PT400', null, 'So is a worker of that name'
);
select tests.create_task(:'ana') as other_task \gset
update public.users set credits = 9 where id = :'ana';
select tests.claim('gpu-fleet-2') as fleets_task \gset
select throws_ok(
  format('update public.tasks set worker_id = %L where id = %L', :'stored', :'fleets_task'), 'PT400', null,
  'So is a task of the fleet that is given to it'
);

-- TEST: names that several machines share are shared by tokens, too
select tests.create_task(:'ana') from generate_series(1, 2);
select tests.claim('token-worker', 'gpu', null, :'token') as first_nameless \gset
select isnt(:'first_nameless'::text, '', 'A machine without a name claims');
select isnt(tests.claim('token-worker', 'gpu', null, :'token'), :'first_nameless'::uuid, 'Another one without a name gets another task');

select * from finish();
rollback;
