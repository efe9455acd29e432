begin;
select plan(3);

-- SETUP: there is work, so that only the missing name stands in the way
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner') as task \gset

-- TEST: what would hand out a task to nobody
select is(
  tests.answer(format('public.claim_next_task(%L, %L)', tests.service(), '')), '400 INVALID_ARGUMENT',
  'A claim under an empty name is refused'
);
select is(
  tests.answer(format('public.claim_next_task(%L, null)', tests.service())), '400 INVALID_ARGUMENT',
  'A claim under no name is refused'
);
select is((tests.task(:'task')).status, 'Queued', 'And its task stays in the queue');

select * from finish();
rollback;
