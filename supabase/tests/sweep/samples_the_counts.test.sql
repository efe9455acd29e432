begin;
select plan(18);

-- SETUP
select tests.empty_queue();
-- Keeps the scheduled sweep out until the end of the test.
lock table fairlane_core.minute_samples in share row exclusive mode;
delete from fairlane_core.minute_samples;
create function pg_temp.samples() returns text language sql as $$
  select coalesce(string_agg(format('%s %s+%s-%s', m.pool, m.claimable, m.arrivals, m.completions), ', ' order by m.pool desc), '')
  from fairlane_core.minute_samples as m
  where m.sampled_at = fairlane_core.now()
    and m.pool in ('gpu', 'api');
$$;
select tests.create_user(p_max_in_progress => 4) as owner \gset
select tests.create_task(:'owner') from generate_series(1, 6);
select tests.create_task(:'owner', 'edit_image') from generate_series(1, 2);
-- What was before the first sample.
update public.task_events set at = fairlane_core.now() - interval '6 minutes';

-- TEST: a row per pool
select fairlane_core.sweep();
select is(pg_temp.samples(), 'gpu 4+0-0, api 2+0-0', 'The first sample has what is claimable per pool, and no old history');

-- TEST: one per minute is enough
select tests.step_clock('29.999999 seconds');
select fairlane_core.sweep();
select is((select count(*)::integer from fairlane_core.minute_samples), cardinality(fairlane_core.pools()), 'A second sweep within 30 seconds adds none');
select tests.step_clock('1 microsecond');
select fairlane_core.sweep();
select is(pg_temp.samples(), 'gpu 4+0-0, api 2+0-0', 'After 30 seconds there is another');

-- TEST: arrivals and completions since the sample before
select tests.create_task(:'owner') from generate_series(1, 3);
select tests.claim('gpu-1') as done \gset
update public.tasks set status = 'Complete' where id = :'done';
select tests.create_task_in('Failed', :'owner');
select tests.create_task_in('Complete', :'owner', 'edit_image');
select tests.step_clock('1 minute');
select fairlane_core.sweep();
select is(pg_temp.samples(), 'gpu 4+4-1, api 2+1-1', 'Each pool has its own arrivals and completions');
select tests.step_clock('1 minute');
select fairlane_core.sweep();
select is(pg_temp.samples(), 'gpu 4+0-0, api 2+0-0', 'None is counted twice');

-- TEST: a repeated completion is no completion
select tests.answer(format('public.complete_task(tests.service(), %L)', :'done'));
select tests.step_clock('1 minute');
select fairlane_core.sweep();
select is(pg_temp.samples(), 'gpu 4+0-0, api 2+0-0', 'A task completes once');

-- TEST: after a pause of the sweep the old events are not a minute's work
select tests.create_task(:'owner');
select tests.step_clock('10 minutes');
select fairlane_core.sweep();
select is(pg_temp.samples(), 'gpu 4+0-0, api 2+0-0', 'What happened more than five minutes ago is in no sample');

-- TEST: kept for a day
delete from fairlane_core.minute_samples where sampled_at < fairlane_core.now();
select tests.step_clock('1 day');
select fairlane_core.sweep();
select is((select count(*)::integer from fairlane_core.minute_samples), 2 * cardinality(fairlane_core.pools()), 'A sample of exactly a day ago is kept');
select tests.step_clock('1 minute');
select fairlane_core.sweep();
select is(
  (select min(sampled_at) from fairlane_core.minute_samples), fairlane_core.now() - interval '1 minute', 'An older one is purged'
);

-- TEST: what the counts make of the last five samples
delete from fairlane_core.minute_samples;
select is(tests.counts('gpu') -> 'arrivals_per_minute', 'null', 'Without a sample the rates are unknown');
insert into fairlane_core.minute_samples (sampled_at, pool, claimable, arrivals, completions, last_event_id)
select fairlane_core.now() - n * interval '1 minute', p.pool, 0, case p.pool when 'gpu' then n else 10 * n end, case p.pool when 'gpu' then 2 else 0 end, 0
from generate_series(1, 6) as n, unnest(array['gpu', 'api']) as p (pool);
select is(tests.counts('gpu') -> 'arrivals_per_minute', '3.0', 'arrivals_per_minute is the average of the last five samples');
select is(tests.counts('gpu') -> 'completions_per_minute', '2.0', 'And so is completions_per_minute');
select is(tests.counts('api') -> 'arrivals_per_minute', '30.0', 'Each pool has its own');
select is(tests.counts(null) -> 'arrivals_per_minute', '33.0', 'Both pools together have the sum');
select is(tests.counts(null) -> 'completions_per_minute', '2.0', 'Of completions too');
select is(
  tests.counts('gpu', true, tests.signed_in(:'owner')) -> 'arrivals_per_minute', 'null', 'A user is not told the fleet''s rates'
);

-- TEST: samples of long ago say nothing about now
select tests.step_clock('8 minutes 59.999999 seconds');
select is(tests.counts('gpu') -> 'arrivals_per_minute', '1.0', 'A sample counts for ten minutes');
select tests.step_clock('1 microsecond');
select is(tests.counts('gpu') -> 'arrivals_per_minute', 'null', 'And not longer');

select * from finish();
rollback;
