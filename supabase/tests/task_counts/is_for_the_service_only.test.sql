begin;
select plan(5);

-- SETUP
select tests.create_user() as owner \gset

-- TEST: who may not call it
select tests.authenticate_as('anon');
select throws_ok($$ select public.task_counts('{"kind": "service"}') $$, '42501', null, 'task_counts() is not for anon');
select tests.authenticate_as(:'owner');
select throws_ok(
  $$ select public.task_counts('{"kind": "service"}') $$, '42501', null, 'task_counts() is not for signed-in users directly'
);
select throws_ok(
  $$ select queue.task_counts('{"kind": "service"}', null, true) $$, '42501', null, 'Nor is the function behind it'
);
select tests.clear_authentication();

-- TEST: arguments and callers that make no sense
select is(
  tests.answer(format('public.task_counts(%L, ''tpu'')', tests.service())), '400 INVALID_ARGUMENT',
  'A pool that does not exist is refused'
);
select is(tests.answer('public.task_counts(''{"kind": "robot"}'')'), '403 FORBIDDEN', 'An unknown kind of caller is refused');

select * from finish();
rollback;
