begin;
select plan(11);

-- SETUP: the job has not run for a while; a worker died with a task
select tests.empty_queue();
select tests.step_clock('1 hour');
select tests.create_user(p_max_in_progress => 1) as owner \gset
update fairlane_core.job_runs set period = '1 minute', ran_at = fairlane_core.now(), stood_in_at = null where job = 'rescue';
update fairlane_core.clock_watch set looked_at = clock_timestamp(); -- however long ago a job of this stack ran
select tests.create_task_in('In Progress', :'owner', p_worker_id => 'gpu-dead') as task \gset

-- TEST: while the job is in time, claims leave its work to it
select tests.step_clock('119 seconds');
select is(tests.claim('gpu-a'), null, 'A claim finds nothing');
select is((tests.task(:'task')).status, 'In Progress', 'And leaves the dead worker''s task to the job');

-- TEST: after two periods a claim that finds nothing does it, and gets the task
select tests.step_clock('5 seconds');
select is(tests.claim('gpu-b'), :'task'::uuid, 'A claim rescues the task and gets it');
select matches(
  (select string_agg(e.reason, ' | ' order by e.id) from public.task_events as e where e.task_id = :'task'), 'gpu-dead sent no heartbeat',
  'The history tells why'
);

-- TEST: once in two periods
select is((select r.stood_in_at is not null from fairlane_core.job_runs as r where r.job = 'rescue'), true, 'It is noted');
select is(fairlane_core.rescue_when_late(), 0, 'The next claim does not repeat it');
select isnt_empty($$select * from fairlane_core.late_jobs() as l where l.job = 'rescue'$$, 'The job still counts as late');

-- TEST: users' own machines claim, too
select tests.with_token(:'owner') as token \gset
select tests.step_clock('3 minutes');
select is(tests.claim('mac', 'gpu', null, :'token'), :'task'::uuid, 'A claim with a token rescues the task and gets it');

-- TEST: a rescue that fails does not fail the claim
select tests.step_clock('2 hours');
create or replace function fairlane_core.stalled_tasks() returns setof fairlane_core.lost_task language plpgsql as $$
begin
  raise exception 'disk full';
end;
$$;
select is(tests.claim('gpu-c'), null, 'A claim is answered although the rescue fails');
select matches((select r.error from fairlane_core.job_runs as r where r.job = 'rescue'), 'disk full', 'Health tells why it does');
select is(fairlane_core.rescue_when_late(), 0, 'And the next claim does not try again at once');

select * from finish();
rollback;
