begin;
select plan(8);

-- SETUP: rows as they were before the columns existed
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner') as no_run_type \gset
select tests.create_task(:'owner') as no_owner \gset
update public.tasks set run_type = null where id = :'no_run_type';
update public.tasks set user_id = null, project_id = null where id = :'no_owner';

-- TEST: nobody gets them
select is(tests.claim('gpu-1'), null, 'claim_next_task() never hands them to a cloud worker');
select is(
  tests.claim('mac', 'gpu', null, tests.with_token(:'owner')), null,
  'claim_next_task() never hands them to the user''s own machine'
);
select is((tests.task(:'no_run_type')).readiness, 'no_run_type', 'A row without run_type says so');
select is((tests.task(:'no_owner')).readiness, 'no_owner', 'A row without an owner says so');

-- TEST: they stay, and are in nobody's way
select tests.create_task(:'owner') as sound \gset
select is(tests.claim('gpu-1'), :'sound', 'claim_next_task() hands out a normal task beside them');
select is((select count(*)::integer from public.tasks), 3, 'The rows are still there');

-- TEST: an operator may release one
select tests.authenticate_as('service_role');
update public.tasks set run_type = 'cloud' where id = :'no_run_type';
select tests.clear_authentication();
select is(tests.claim('gpu-2'), :'no_run_type', 'claim_next_task() hands out a row whose run_type was filled in');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
