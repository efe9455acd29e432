begin;
select plan(13);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_user() as stranger \gset
select tests.create_task(:'owner') from generate_series(1, 3);
select tests.with_token(:'owner') as token \gset
select tests.with_token(:'owner') as other_token \gset
create function pg_temp.counts(p_token jsonb) returns text language sql as $$
  select tests.answer(format('public.task_counts(%L) -> ''count''', p_token));
$$;
select tests.claim('mac', 'gpu', null, :'token') as task \gset

select tests.token_id(:'token') as token_id \gset

-- TEST: a stranger cannot take it back
select tests.authenticate_as(:'stranger');
select ok(not public.revoke_api_token(:'token_id'), 'revoke_api_token() finds no token of somebody else');
select tests.clear_authentication();
select isnt(pg_temp.counts(:'token'), '403 UNKNOWN_TOKEN', 'Which goes on being accepted');

-- TEST: its owner can, with effect at the next call of every function
select tests.authenticate_as(:'owner');
select ok(public.revoke_api_token(:'token_id'), 'revoke_api_token() takes back a token');
select ok(not public.revoke_api_token(:'token_id'), 'Once');
select tests.clear_authentication();
select is(pg_temp.counts(:'token'), '403 UNKNOWN_TOKEN', 'task_counts() refuses it');
select is(
  tests.answer(format('public.claim_next_task(%L, ''mac'')', :'token')), '403 UNKNOWN_TOKEN', 'claim_next_task() refuses it'
);
select is(
  tests.answer(format('public.complete_task(%L, %L)', :'token', :'task')), '403 UNKNOWN_TOKEN', 'complete_task() refuses it'
);
select is(
  tests.answer(format('public.update_task_status(%L, %L, ''Failed'')', :'token', :'task')), '403 UNKNOWN_TOKEN',
  'update_task_status() refuses it'
);
select isnt(pg_temp.counts(:'other_token'), '403 UNKNOWN_TOKEN', 'The owner''s other token goes on');

-- TEST: expiry, to the microsecond
select tests.with_token(:'owner', fairlane_core.now() + interval '1 hour') as brief \gset
select tests.step_clock('59 minutes 59.999999 seconds');
select isnt(pg_temp.counts(:'brief'), '403 UNKNOWN_TOKEN', 'A token is accepted until it expires');
select tests.step_clock('1 microsecond');
select is(pg_temp.counts(:'brief'), '403 UNKNOWN_TOKEN', 'And not from then on');

-- TEST: for signed-in users only
select tests.authenticate_as('anon');
select throws_ok(format('select public.revoke_api_token(%L)', :'token_id'), '42501', null, 'revoke_api_token() is not for anon');

-- TEST: a user who is deleted takes their tokens along
select tests.clear_authentication();
delete from public.users where id = :'owner';
select is(pg_temp.counts(:'other_token'), '403 UNKNOWN_TOKEN', 'The token of a deleted user is unknown');

select * from finish();
rollback;
