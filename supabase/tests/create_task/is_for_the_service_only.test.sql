begin;
select plan(8);

-- SETUP
select tests.create_user() as owner \gset
select tests.create_project(:'owner') as project \gset
select tests.with_token(:'owner') as token \gset
select format('{"task_type": "test", "project": "%s"}', :'project') as task \gset

-- TEST: who may not call it
select tests.authenticate_as('anon');
select throws_ok(
  format('select public.create_task(%L, %L)', tests.service(), :'task'), '42501', null, 'create_task() is not for anon'
);
select tests.authenticate_as(:'owner');
select throws_ok(
  format('select public.create_task(%L, %L)', tests.service(), :'task'), '42501', null,
  'create_task() is not for signed-in users directly'
);
select throws_ok(
  format('select public.create_tasks(%L, %L)', tests.service(), '[]'), '42501', null, 'Nor is create_tasks()'
);
select throws_ok(
  format('select queue.create_tasks(%L, %L)', tests.service(), '[]'), '42501', null, 'Nor is the function behind both'
);
select tests.clear_authentication();

-- TEST: callers that are none
select is(
  tests.answer(format('public.create_task(''{"kind": "robot"}'', %L)', :'task')), '403 FORBIDDEN', 'An unknown kind of caller is refused'
);
select is(
  tests.answer(format('public.create_task(''{"kind": "user"}'', %L)', :'task')), '403 FORBIDDEN', 'A user without an id is refused'
);
update public.user_api_tokens set revoked_at = queue.now() where id = tests.token_id(:'token');
select is(
  tests.answer(format('public.create_task(%L, %L)', :'token', :'task')), '403 UNKNOWN_TOKEN', 'A revoked token is refused'
);
select is_empty(format('select from public.tasks where user_id = %L', :'owner'), 'None of them enqueued anything');

select * from finish();
rollback;
