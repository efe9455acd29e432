begin;
select plan(10);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner') as task \gset

-- TEST: who may not call it
select tests.authenticate_as('anon');
select throws_ok(
  $$ select public.claim_next_task('{"kind": "service"}', 'gpu-1') $$, '42501', null, 'claim_next_task() is not for anon'
);
select tests.authenticate_as(:'owner');
select throws_ok(
  $$ select public.claim_next_task('{"kind": "service"}', 'gpu-1') $$, '42501', null,
  'claim_next_task() is not for signed-in users'
);
select throws_ok(
  $$ select queue.claim_next_task('{"kind": "service"}', 'gpu-1', null, null, false, null, false) $$, '42501', null,
  'Nor is the function behind it'
);
select tests.clear_authentication();

-- TEST: callers that are none
create function pg_temp.claim_by(p_caller text) returns text language sql as $$
  select tests.answer(format('public.claim_next_task(%L, ''gpu-1'')', p_caller));
$$;
select is(pg_temp.claim_by('{"kind": "owner"}'), '403 FORBIDDEN', 'An unknown kind of caller is refused');
select is(pg_temp.claim_by('{}'), '403 FORBIDDEN', 'A caller without a kind is refused');
select is(pg_temp.claim_by('{"kind": "token"}'), '403 UNKNOWN_TOKEN', 'A token without a hash is refused');
select is(pg_temp.claim_by('{"kind": "token", "hash": "no such hash"}'), '403 UNKNOWN_TOKEN', 'An unknown token is refused');

-- TEST: arguments that make no sense
select is(
  tests.answer(format('public.claim_next_task(%L, '''')', tests.service())), '400 INVALID_ARGUMENT',
  'A claim without a worker is refused'
);
select is(
  tests.answer(format('public.claim_next_task(%L, ''gpu-1'', ''tpu'')', tests.service())), '400 INVALID_ARGUMENT',
  'A pool that does not exist is refused'
);
select is((tests.task(:'task')).attempts, 0, 'No refused claim started anything');

select * from finish();
rollback;
