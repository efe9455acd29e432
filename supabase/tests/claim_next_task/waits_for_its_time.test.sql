begin;
select plan(9);

-- SETUP: one task that is due now, one a microsecond later
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner') as due \gset
select tests.create_task(:'owner') as later \gset
update public.tasks set available_at = fairlane_core.now() + interval '1 hour' where id = :'due';
update public.tasks set available_at = fairlane_core.now() + interval '1 hour 1 microsecond' where id = :'later';

-- TEST: to the microsecond. A claim comes a second after the clock was read
select tests.step_clock('59 minutes 58.999999 seconds');
select is(tests.claim('gpu-1'), null, 'claim_next_task() does not hand out a task a microsecond early');
select tests.step_clock('-999999 microseconds');
select is(tests.claim('gpu-1'), :'due', 'claim_next_task() hands it out the moment it is due');
select is(tests.claim('gpu-2'), :'later', 'claim_next_task() hands out the next one when that is due');

-- TEST: the user's own machine waits likewise
select tests.with_token(:'owner') as token \gset
select tests.create_task(:'owner') as own \gset
update public.tasks set available_at = fairlane_core.now() + interval '1 hour' where id = :'own';
select is(tests.claim('mac', 'gpu', null, :'token'), null, 'A token gets no task before its time');
select tests.step_clock('2 hours');
select is(tests.claim('mac', 'gpu', null, :'token'), :'own', 'A token gets it afterwards');

-- TEST: a time that was removed
select tests.create_task(:'owner') as released \gset
update public.tasks set available_at = 'tomorrow' where id = :'released';
update public.tasks set available_at = null where id = :'released';
select is(tests.claim('gpu-3'), :'released', 'claim_next_task() hands out a task whose time was removed');

-- TEST: a due task takes its turn like any other; it does not wait until everybody else is done
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as ana \gset
select tests.create_user() as ben \gset
select tests.create_task(:'ben') as appointment \gset
update public.tasks set available_at = fairlane_core.now() + interval '1 minute' where id = :'appointment';
select tests.create_task(:'ana') from generate_series(1, 20);
select tests.step_clock('2 minutes');
select ok(
  :'appointment'::uuid = any (tests.claim_many(2)),
  'claim_next_task() serves a user whose only task has become due within one round'
);

-- TEST: nor behind less urgent tasks of the same owner
select tests.create_task(:'ana', p_priority => 50) as urgent \gset
update public.tasks set available_at = fairlane_core.now() + interval '1 minute' where id = :'urgent';
select tests.step_clock('2 minutes');
select is(tests.claim('gpu-9'), :'urgent', 'claim_next_task() gives a due task the place its priority asks for');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
