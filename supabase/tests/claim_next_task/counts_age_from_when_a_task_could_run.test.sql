begin;
select plan(32);

-- SETUP
select tests.empty_queue();
insert into fairlane_core.clock_watch default values on conflict do nothing;
update fairlane_core.clock_watch set looked_at = clock_timestamp();
select tests.create_user(p_max_in_progress => 100) as owner \gset
create function pg_temp.readiness(p_task_id uuid) returns text language sql as $$
  select t.readiness from public.tasks as t where t.id = p_task_id;
$$;
create function pg_temp.cleanup() returns void language sql as $$
  select fairlane_core.sweep();
  select fairlane_core.cleanup();
$$;
create function pg_temp.oldest() returns numeric language sql as $$
  select (tests.counts() ->> 'oldest_claimable_age_seconds')::numeric;
$$;

-- TEST: scheduled for longer than work may wait
select tests.create_task(:'owner') as scheduled \gset
update public.tasks set available_at = fairlane_core.now() + interval '8 days' where id = :'scheduled';
select tests.step_clock('8 days');
select pg_temp.cleanup();
select is(pg_temp.readiness(:'scheduled'), 'ready', 'A task that was to run in eight days is ready when they are over');
select is(tests.claimable(), 1, 'It counts');
select is(public.explain_task(tests.service(), :'scheduled') ->> 'reason', null, 'Nothing holds it back');
select is(pg_temp.oldest() < 60, true, 'It is no old work');
select is(tests.counts() -> 'warnings' @> '[{"code": "WORK_OLDER_THAN_A_DAY"}]', false, 'And no warning says so');
select is(tests.claim('gpu-1'), :'scheduled'::uuid, 'A claim gets it');

-- TEST: a week after it was due it is as old as any
select tests.create_task(:'owner') as forgotten \gset
update public.tasks set available_at = fairlane_core.now() + interval '8 days' where id = :'forgotten';
select tests.step_clock('15 days');
select is(tests.claimable(), 1, 'Due for seven days it is not too old');
select tests.step_clock('1 microsecond');
select is(tests.claimable(), 0, 'A microsecond later it is');
select is(tests.claim('gpu-2'), null, 'Nobody gets it');
select is(public.explain_task(tests.service(), :'forgotten') ->> 'reason', 'stale', 'explain says so');
select pg_temp.cleanup();
select is(tests.status(:'forgotten'), 'Cancelled', 'And the cleanup cancels it');

-- TEST: many that are due at once keep their order
select tests.create_task(:'owner', p_priority => n % 3, p_age => n * interval '1 minute') from generate_series(1, 6) as n;
update public.tasks set available_at = fairlane_core.now() + interval '9 days' where status = 'Queued';
select array_agg(t.id order by t.priority desc, t.created_at) as in_turn from public.tasks as t where t.status = 'Queued' \gset
select tests.step_clock('9 days');
select is(tests.claim_many(10), :'in_turn'::uuid[], 'By priority, then age');

-- TEST: released or requeued is not "never started"
select tests.create_task(:'owner', p_age => '6 days') as returned \gset
select tests.claim('gpu-3');
select public.update_task_status(tests.service(), :'returned', 'Queued');
select is((tests.task(:'returned')).attempts, 0, 'An uncounted attempt does not count');
select tests.step_clock('2 days');
select pg_temp.cleanup();
select is(pg_temp.readiness(:'returned'), 'ready', 'But the task was started');
select is(tests.claim('gpu-4'), :'returned'::uuid, 'And is handed out again, however old');
select tests.create_task(:'owner', p_age => '8 days') as cancelled \gset
select pg_temp.cleanup();
select public.requeue_tasks(array[:'cancelled'::uuid]);
select pg_temp.cleanup();
select is(tests.claim('gpu-5'), :'cancelled'::uuid, 'What an operator requeues counts from then');

-- TEST: what waits for live work
select tests.create_task_in('In Progress', :'owner', p_worker_id => 'gpu-6') as running \gset
select tests.create_task(:'owner', p_dependant_on => :'running', p_age => '8 days') as second \gset
select tests.create_task(:'owner', p_dependant_on => :'second', p_age => '8 days') as third \gset
select pg_temp.cleanup();
select is(pg_temp.readiness(:'second'), 'dependency_pending', 'What waits for running work is left');
select is(pg_temp.readiness(:'third'), 'dependency_pending', 'And so is what waits for that');
select public.complete_task(tests.service(), :'running');
select is(pg_temp.readiness(:'second'), 'ready', 'It is ready when that is complete');
select is(tests.claim('gpu-7'), :'second'::uuid, 'And a claim gets it');
select public.complete_task(tests.service(), :'second');
select tests.step_clock('7 days');
select is(tests.claimable(), 1, 'From then on it has its seven days');
select tests.step_clock('1 microsecond');
select is(tests.claimable(), 0, 'And no more');
select tests.create_task(:'owner') as planned \gset
update public.tasks set available_at = fairlane_core.now() + interval '30 days' where id = :'planned';
select tests.create_task(:'owner', p_dependant_on => :'planned', p_age => '8 days') as after_planned \gset
select pg_temp.cleanup();
select is(tests.status(:'after_planned'), 'Queued', 'What waits for planned work is left, too');
select tests.create_task(:'owner', p_age => '8 days') as old_first \gset
select tests.create_task(:'owner', p_dependant_on => :'old_first', p_age => '8 days') as old_second \gset
select pg_temp.cleanup();
select is(tests.status(:'old_second'), 'Cancelled', 'What waits for stale work is cancelled with it');

-- TEST: an outage makes nothing older
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner', p_age => '1 day') as before_it \gset
update fairlane_core.clock_watch set looked_at = clock_timestamp() - interval '8 days';
select tests.create_task(:'owner', p_age => '9 days') as waited \gset
select tests.create_task(:'owner', p_age => '15 days 1 hour') as too_old \gset
select pg_temp.cleanup();
select is(pg_temp.readiness(:'waited'), 'ready', 'After eight days without a look, work of a day before them is fresh');
select is(tests.status(:'too_old'), 'Cancelled', 'Work of more than a week before them is not');
select fairlane_core.rescue();
select is((select w.away_for > interval '7 days 23 hours' from fairlane_core.clock_watch as w), true, 'The first look remembers how long it was');
select pg_temp.cleanup();
select is(tests.status(:'waited'), 'Queued', 'From then on it is left as before');
select tests.step_clock('6 days 1 hour');
update fairlane_core.clock_watch set looked_at = clock_timestamp();
select pg_temp.cleanup();
select is(tests.status(:'waited'), 'Cancelled', 'Until it has waited for seven days without them');
select tests.create_task(:'owner', p_age => '6 days 1 hour') as during \gset
select is(pg_temp.readiness(:'during'), 'ready', 'What came in at its end is younger');
select tests.step_clock('1 day');
select pg_temp.cleanup();
select is(tests.status(:'during'), 'Cancelled', 'And has seven days of its own');

select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
