begin;
select plan(18);

-- SETUP: Ana's machine; Ben waits before her in every respect
select tests.empty_queue();
select tests.create_user(p_credits => 0) as ana \gset
select tests.create_user() as ben \gset
select tests.create_task(:'ben', p_age => '2 days', p_priority => 9);
select tests.create_task(:'ana', p_age => '1 hour') as cloud_task \gset
select tests.create_task(:'ana', p_age => '2 hours') as local_task \gset
update public.tasks set run_type = 'local' where id = :'local_task';
select tests.with_token(:'ana') as token \gset

-- TEST: its owner's tasks, local and cloud in one line, whatever the credits
select is(tests.claim('mac', 'gpu', null, :'token'), :'local_task', 'A token gets its owner''s oldest task, a local one');
select is((tests.task(:'local_task')).token_id, tests.token_id(:'token'), 'The task names the token that holds it');
select is(
  (tests.task(:'local_task')).worker_id, format('token:%s:mac', tests.token_id(:'token')), 'The task names the machine, as it called itself, behind its token'
);
select is(tests.claim('mac-2', 'gpu', null, :'token'), :'cloud_task', 'A token gets its owner''s cloud task too, without credits');
select is(tests.claim('mac-3', 'gpu', null, :'token'), null, 'A token gets nobody else''s tasks');

-- TEST: cloud workers leave local tasks alone
update public.users set credits = 10 where id = :'ana';
select tests.create_task(:'ana') as second_local \gset
update public.tasks set run_type = 'local' where id = :'second_local';
select isnt(tests.claim('gpu-1'), :'second_local', 'A cloud worker gets another task');
select is(tests.claim('gpu-2'), null, 'A cloud worker gets no local task');

-- TEST: the switch for local work; the one for the cloud does not matter
update public.users set settings = tests.switched('local', 'false') where id = :'ana';
select is(tests.claim('mac-3', 'gpu', null, :'token'), null, 'A token gets nothing while local work is switched off');
update public.users set settings = tests.switched('cloud', 'false') where id = :'ana';
select is(tests.claim('mac-3', 'gpu', null, :'token'), :'second_local', 'A token gets work while cloud work is switched off');

-- TEST: the pool counts here as well
select tests.create_task(:'ana', 'animate') as api_task \gset
select is(tests.claim('mac-4', 'gpu', null, :'token'), null, 'A token that asks for gpu work gets no api task that only API workers can run');
select is(tests.claim('mac-4', 'api', null, :'token'), :'api_task', 'A token that asks for api work gets it');

-- TEST: one worker name in two hands is two holders
select tests.with_token(:'ben') as bens_token \gset
select tests.create_task(:'ben') as bens_task \gset
select is(tests.claim('mac', 'gpu', null, :'bens_token'), :'bens_task', 'Another user''s machine of the same name gets its own task');
select is((tests.task(:'local_task')).attempts, 1, 'The first machine keeps its own');

-- TEST: what is requeued from a machine is held by no token any more
update public.tasks set status = 'Queued' where id = :'bens_task';
select is((tests.task(:'bens_task')).token_id, null, 'A requeued task names no token');

-- TEST: a token that is not good
select tests.with_token(:'ana', fairlane_core.now()) as expired \gset
select is(
  tests.answer(format('public.claim_next_task(%L, ''mac'')', :'expired')), '403 UNKNOWN_TOKEN', 'An expired token is refused'
);
update public.user_api_tokens set revoked_at = fairlane_core.now() where id = tests.token_id(:'token');
select is(
  tests.answer(format('public.claim_next_task(%L, ''mac'')', :'token')), '403 UNKNOWN_TOKEN', 'A revoked token is refused'
);
select is(
  tests.answer(format('public.claim_next_task(%L, ''mac'')', tests.signed_in(:'ana'))), '403 FORBIDDEN',
  'A signed-in user without a token cannot claim'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
