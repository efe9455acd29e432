begin;
select plan(16);

-- SETUP: a machine of Ana's with two tasks, one of another token, one of the fleet
select tests.empty_queue();
select tests.create_user() as ana \gset
select tests.with_token(:'ana') as token \gset
select tests.with_token(:'ana') as other_token \gset
select tests.create_task(:'ana', p_age => '9 minutes') as first \gset
select tests.create_task(:'ana', p_age => '8 minutes') as second \gset
select tests.create_task(:'ana', p_age => '7 minutes') as others \gset
select tests.create_task(:'ana', p_age => '6 minutes') as fleets \gset
select tests.claim('mac', 'gpu', null, :'token');
select tests.claim('mac-2', 'gpu', null, :'token');
select tests.claim('mac', 'gpu', null, :'other_token');
select tests.claim('gpu-1');
update public.tasks set delivered_at = fairlane_core.now(), reported_at = fairlane_core.now(), output_location = 'step 16/20' where id = :'first';
select tests.token_id(:'token') as token_id \gset

-- TEST: at once, when the owner takes the token back
select tests.authenticate_as(:'ana');
select ok(public.revoke_api_token(:'token_id'), 'revoke_api_token() takes back a token');
select tests.clear_authentication();
select is((tests.task(:'first')).status, 'Queued', 'The task that its machine ran waits again');
select is((tests.task(:'second')).status, 'Queued', 'So does the other');
select is((tests.task(:'first')).attempts, 0, 'That attempt does not count');
select is((tests.task(:'first')).output_location, null, 'How far it came is no output of it');
select matches((tests.task(:'first')).error_message, 'token of the user''s machine mac was revoked', 'The reason is kept');
select is((tests.task(:'others')).status, 'In Progress', 'What another token holds goes on');
select is((tests.task(:'fleets')).status, 'In Progress', 'What the fleet runs goes on');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

-- TEST: within a minute, when it expires or is deleted
select tests.with_token(:'ana', fairlane_core.now() + interval '1 hour') as brief \gset
select tests.create_task(:'ana') as hours_task \gset
update public.users set max_in_progress = 20 where id = :'ana';
update public.tasks set priority = 9 where id = :'hours_task';
select is(tests.claim('mac-3', 'gpu', null, :'brief'), :'hours_task', 'A token that will expire claims');
select is(
  tests.answer(format('public.explain_task(%L, %L) ->> ''remedy''', tests.service(), :'hours_task')), 'Nothing: it is running',
  'explain_task() says that it runs'
);
update public.user_api_tokens set expires_at = fairlane_core.now() where id = tests.token_id(:'brief');
select matches(
  tests.answer(format('public.explain_task(%L, %L) ->> ''remedy''', tests.service(), :'hours_task')), 'revoked or has expired',
  'And not that it runs once the token has expired'
);
select fairlane_core.rescue();
select is((tests.task(:'hours_task')).status, 'Queued', 'The rescue puts it back');
delete from public.user_api_tokens where id = tests.token_id(:'other_token');
select fairlane_core.rescue();
select is((tests.task(:'others')).status, 'Queued', 'And what a deleted token held');
select is((tests.task(:'others')).attempts, 0, 'Without counting the start');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
