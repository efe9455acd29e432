begin;
select plan(7);

-- SETUP: hundreds of one user are due at once, the most urgent of them last; one of another user is due after them
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as ana \gset
select tests.create_user() as ben \gset
select tests.create_task(:'ana') from generate_series(1, 250);
update public.tasks set available_at = fairlane_core.now() + interval '1 minute';
select tests.create_task(:'ana', p_priority => 7) as urgent \gset
select tests.create_task(:'ben') as appointment \gset
update public.tasks set available_at = fairlane_core.now() + interval '2 minutes' where id in (:'urgent', :'appointment');
select tests.step_clock('3 minutes');

-- TEST: what a dry run says
select is(
  (public.claim_next_task(tests.service(), 'gpu-0', p_dry_run => true) #>> '{task,task_id}')::uuid in (:'urgent', :'appointment'), true,
  'A dry run shows the most urgent task of whose turn it is'
);

-- TEST: turns and priorities
create temporary table claimed as select tests.claim('gpu-1') as one, tests.claim('gpu-2') as two;
select ok(
  exists (select from claimed as c where :'appointment'::uuid in (c.one, c.two)),
  'claim_next_task() serves a user whose one task became due after hundreds of another''s within one round'
);
select ok(
  exists (select from claimed as c where :'urgent'::uuid in (c.one, c.two)),
  'claim_next_task() hands out the most urgent of hundreds that are due first'
);

-- TEST: the user's own machine
select tests.create_task(:'ben') from generate_series(1, 150);
update public.tasks set available_at = fairlane_core.now() + interval '1 minute' where user_id = :'ben' and status = 'Queued';
select tests.create_task(:'ben', p_priority => 7) as own \gset
update public.tasks set available_at = fairlane_core.now() + interval '2 minutes' where id = :'own';
select tests.step_clock('3 minutes');
select tests.with_token(:'ben') as token \gset
select is(tests.claim('mac', 'gpu', null, :'token'), :'own', 'A token gets the most urgent of hundreds that are due');

-- TEST: however many they are, all are handed out in the end
select is(cardinality(tests.claim_many(98)), 98, 'claim_next_task() goes on until the user is at the limit');
select is_empty('select * from fairlane_core.drift()', 'The counters have followed');
select is_empty('select * from tests.drift()', 'And a recount by other means agrees');

select * from finish();
rollback;
