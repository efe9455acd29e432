begin;
select plan(4);

-- SETUP
select tests.create_user() as owner \gset
select tests.create_task_in('In Progress', :'owner') as task \gset

-- TEST: who may not call it
select tests.authenticate_as('anon');
select throws_ok(
  format('select public.update_task_status(%L, %L, ''Failed'')', tests.service(), :'task'), '42501', null,
  'update_task_status() is not for anon'
);
select tests.authenticate_as(:'owner');
select throws_ok(
  format('select public.update_task_status(%L, %L, ''Failed'')', tests.service(), :'task'), '42501', null,
  'update_task_status() is not for signed-in users directly'
);
select throws_ok(
  format('select queue.update_task_status(%L, %L, ''Failed'', null, null, null, null, null, false, null, null)', tests.service(), :'task'),
  '42501', null, 'Nor is the function behind it'
);
select tests.clear_authentication();
select is(
  tests.answer(format('public.update_task_status(''{"kind": "robot"}'', %L, ''Failed'')', :'task')), '403 FORBIDDEN',
  'An unknown kind of caller is refused'
);

select * from finish();
rollback;
