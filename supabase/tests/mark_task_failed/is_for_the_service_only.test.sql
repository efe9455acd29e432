begin;
select plan(3);

-- SETUP
select tests.create_user() as owner \gset
select tests.create_task_in('In Progress', :'owner') as task \gset

-- TEST: who may not call it
select tests.authenticate_as('anon');
select throws_ok(
  format('select public.mark_task_failed(%L, %L)', tests.service(), :'task'), '42501', null, 'mark_task_failed() is not for anon'
);
select tests.authenticate_as(:'owner');
select throws_ok(
  format('select public.mark_task_failed(%L, %L)', tests.service(), :'task'), '42501', null,
  'mark_task_failed() is not for signed-in users directly'
);
select tests.clear_authentication();
select is((tests.task(:'task')).status, 'In Progress', 'Neither changed the task');

select * from finish();
rollback;
