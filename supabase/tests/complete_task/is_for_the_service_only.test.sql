begin;
select plan(7);

-- SETUP
select tests.create_user() as owner \gset
select tests.create_task_in('In Progress', :'owner') as task \gset
select tests.with_token(:'owner') as token \gset

-- TEST: who may not call it
select tests.authenticate_as('anon');
select throws_ok(
  format('select public.complete_task(%L, %L)', tests.service(), :'task'), '42501', null, 'complete_task() is not for anon'
);
select tests.authenticate_as(:'owner');
select throws_ok(
  format('select public.complete_task(%L, %L)', tests.service(), :'task'), '42501', null,
  'complete_task() is not for signed-in users directly'
);
select throws_ok(
  format('select queue.complete_task(%L, %L, null, null, null, null, null)', tests.service(), :'task'), '42501', null,
  'Nor is the function behind it'
);
select tests.clear_authentication();

-- TEST: callers that are none
select is(
  tests.answer(format('public.complete_task(''{"kind": "robot"}'', %L)', :'task')), '403 FORBIDDEN', 'An unknown kind of caller is refused'
);
select is(
  tests.answer(format('public.complete_task(''{"kind": "user"}'', %L)', :'task')), '403 FORBIDDEN', 'A user without an id is refused'
);
update public.user_api_tokens set revoked_at = queue.now() where id = tests.token_id(:'token');
select is(
  tests.answer(format('public.complete_task(%L, %L)', :'token', :'task')), '403 UNKNOWN_TOKEN', 'A revoked token is refused'
);
select is((tests.task(:'task')).status, 'In Progress', 'None of them changed the task');

select * from finish();
rollback;
