begin;
select plan(2);

-- SETUP: a worker that beats and has said the same of its task for twelve hours
select tests.empty_queue();
delete from public.system_logs;
delete from public.workers;
select tests.create_user() as owner \gset
insert into public.workers (id, status, created_at, last_heartbeat)
values ('parrot', 'active', fairlane_core.now() - interval '13 hours', fairlane_core.now());
select tests.create_task_in('In Progress', :'owner', 'upscale', 'parrot') as parroted \gset
insert into public.system_logs ("timestamp", source_type, log_level, message, worker_id, task_id)
select fairlane_core.now() - make_interval(mins => m), 'worker', 'INFO', 'still working', 'parrot', :'parroted'
from generate_series(0, 720, 5) as m;
update public.tasks
set claimed_at = fairlane_core.now() - interval '12 hours', generation_started_at = fairlane_core.now() - interval '12 hours',
  reported_at = fairlane_core.now(), delivered_at = fairlane_core.now() - interval '12 hours'
where id = :'parroted';

-- TEST: stuck, and stale
select is((select f.stuck_tasks from fairlane_core.fleet_summary() as f), 1::bigint, 'The numbers of the fleet know who is stuck');
-- A clock that went back five minutes ago: gpu-dead has not beaten since, an api worker never does.
update fairlane_core.clock_watch
set set_back_at = fairlane_core.now() - interval '5 minutes', set_back_until = fairlane_core.now() + interval '55 minutes', trusted_since = '-infinity';
insert into public.workers (id, status, last_heartbeat) values
  ('gpu-dead', 'active', fairlane_core.now() + interval '50 minutes'), ('gpu-alive', 'active', fairlane_core.now());
insert into public.workers (id, instance_type, status, created_at) values ('api-quiet', 'api', 'active', fairlane_core.now() - interval '1 hour');
select is(
  (select f.stale_workers from fairlane_core.fleet_summary() as f), 2::bigint,
  'And who is stale: the one that has died, and the api worker that never sends heartbeats'
);

select * from finish();
rollback;
