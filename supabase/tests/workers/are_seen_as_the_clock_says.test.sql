begin;
select plan(8);

-- SETUP: a clock that went back by an hour five minutes ago; gpu-dead has not beaten since, gpu-alive has
select tests.empty_queue();
delete from public.workers;
select tests.step_clock('1 day');
select tests.create_user(p_max_in_progress => 50) as owner \gset
update fairlane_core.clock_watch
set set_back_at = fairlane_core.now() - interval '5 minutes', set_back_until = fairlane_core.now() + interval '55 minutes', trusted_since = '-infinity';
insert into public.workers (id, status, last_heartbeat, kept_at) values
  ('gpu-dead', 'active', fairlane_core.now() + interval '50 minutes', fairlane_core.now() - interval '2 hours'),
  ('gpu-alive', 'active', fairlane_core.now(), fairlane_core.now() - interval '2 hours');
insert into public.workers (id, instance_type, status) values ('api-quiet', 'api', 'active');
create function pg_temp.set_aside(p_worker_id text) returns text language plpgsql as $$
declare
  v_status text;
begin
  set local role service_role;
  update public.workers set status = 'error' where id = p_worker_id returning status into v_status;
  reset role;
  return v_status;
end;
$$;

-- TEST: who beats
select ok(fairlane_core.is_beating(fairlane_core.now() - interval '99.999999 seconds'), 'One whose last heartbeat is younger than the timeout does');
select ok(not fairlane_core.is_beating(fairlane_core.now() - interval '100 seconds'), 'No longer');
select ok(not fairlane_core.is_beating(fairlane_core.now() + interval '50 minutes'), 'A heartbeat with a future time was sent before the clock went back');
select ok(not fairlane_core.is_beating(null), 'One that never sent a heartbeat does not');

-- TEST: warnings and states
select is(
  (select jsonb_object_agg(s.worker_id, s.health) from fairlane_core.worker_states('10 minutes') as s where s.worker_id like 'gpu%'),
  '{"gpu-dead": "stale", "gpu-alive": "silent"}', 'A worker that is dead is shown as one'
);

-- TEST: a worker that is kept is kept while it beats
select is(pg_temp.set_aside('gpu-alive'), 'active', 'One that sends heartbeats stays');
select is(pg_temp.set_aside('gpu-dead'), 'error', 'One that has died does not, an hour before the time of its last heartbeat comes again');

-- TEST: an api worker lives by its calls
select tests.create_task_in('In Progress', :'owner', 'edit_image', 'api-quiet') as called \gset
update public.tasks set claimed_at = fairlane_core.now() + interval '50 minutes', reported_at = null where id = :'called';
update fairlane_core.clock_watch set set_back_at = fairlane_core.now() - interval '30 minutes';
select is(pg_temp.set_aside('api-quiet'), 'error', 'One whose last call was before the clock went back is not believed to be there');

select * from finish();
rollback;
