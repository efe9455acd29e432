begin;
select plan(17);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner', p_age => '1 hour') from generate_series(1, 20);
create function pg_temp.running() returns integer language sql as $$
  select count(*)::integer from public.tasks where status = 'In Progress';
$$;

-- TEST: five by default, no more and no less
select is(cardinality(tests.claim_many(9)), 5, 'claim_next_task() gives a user five tasks at once');
select is(tests.claim('gpu-6'), null, 'claim_next_task() answers null to the sixth');

-- TEST: the end of one makes room for one
select public.complete_task(tests.service(), t.id, 'https://files/a.mp4')
from public.tasks as t where t.status = 'In Progress' limit 1;
select is(cardinality(tests.claim_many(9)), 1, 'claim_next_task() gives one more when one was completed');
select public.update_task_status(tests.service(), t.id, 'Failed', 'out of memory')
from public.tasks as t where t.status = 'In Progress' limit 1;
select is(cardinality(tests.claim_many(9)), 1, 'claim_next_task() gives one more when one failed');
update public.tasks set status = 'Cancelled'
where id = (select t.id from public.tasks as t where t.status = 'In Progress' limit 1);
select is(cardinality(tests.claim_many(9)), 1, 'claim_next_task() gives one more when one was cancelled');
update public.tasks set status = 'Queued', worker_id = null
where id = (select t.id from public.tasks as t where t.status = 'In Progress' limit 1);
select is(cardinality(tests.claim_many(9)), 1, 'claim_next_task() hands out one more when one was requeued');
delete from public.tasks
where id = (select t.id from public.tasks as t where t.status = 'In Progress' limit 1);
select is(cardinality(tests.claim_many(9)), 1, 'claim_next_task() gives one more when one was deleted');

-- TEST: the limit is the user's own as soon as there is one
update public.users set max_in_progress = 7 where id = :'owner';
select is(cardinality(tests.claim_many(9)), 2, 'claim_next_task() follows a raised limit');
update public.users set max_in_progress = 2 where id = :'owner';
select is(pg_temp.running(), 7, 'A lowered limit stops nothing that runs');
select is(cardinality(tests.claim_many(9)), 0, 'claim_next_task() gives nothing above a lowered limit');
update public.tasks set status = 'Cancelled' where status = 'In Progress';
select is(cardinality(tests.claim_many(9)), 2, 'claim_next_task() keeps to the lowered limit');
update public.users set max_in_progress = 0 where id = :'owner';
update public.tasks set status = 'Queued' where status = 'In Progress';
select is(cardinality(tests.claim_many(9)), 0, 'claim_next_task() gives nothing at a limit of 0');

-- TEST: without one it is the default, also when that changes
update public.users set max_in_progress = null where id = :'owner';
update fairlane_core.settings set default_task_limit = 3;
select is(cardinality(tests.claim_many(9)), 3, 'claim_next_task() follows a changed default');
select tests.create_user(p_max_in_progress => 1) as other \gset
update fairlane_core.settings set default_task_limit = 4;
select tests.create_task(:'other') from generate_series(1, 3);
select is(cardinality(tests.claim_many(9)), 2, 'A changed default leaves limits of users'' own alone');

-- TEST: one limit over both pools and both kinds of caller
select tests.empty_queue();
update fairlane_core.settings set default_task_limit = 5;
select tests.create_user() as owner \gset
select tests.create_task(:'owner', 'clip') from generate_series(1, 4);
select tests.create_task(:'owner', 'edit_image') from generate_series(1, 4);
select is(
  cardinality(tests.claim_many(2, 'gpu') || tests.claim_many(2, 'api') || tests.claim_many(9, 'gpu', tests.with_token(:'owner'))),
  5, 'claim_next_task() counts gpu, api and the user''s own machine together'
);
select is(
  cardinality(tests.claim_many(9, 'api') || tests.claim_many(9, 'gpu')), 0,
  'claim_next_task() gives nothing more in either pool'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
