begin;
select plan(5);

-- SETUP
select tests.empty_queue();
delete from public.task_events;
delete from fairlane_core.status_totals;
select tests.create_user(p_max_in_progress => 50) as owner \gset
select tests.create_task_in(s, :'owner') from unnest(array['Queued', 'Queued', 'In Progress', 'Complete', 'Failed', 'Cancelled']) as s;
select tests.create_task(:'owner', p_dependant_on => gen_random_uuid());
insert into public.workers (id, instance_type, status, last_heartbeat, created_at, metadata)
values
  ('a', 'gpu', 'active', fairlane_core.now(), fairlane_core.now(), '{"vram_total_mb": 24564, "vram_used_mb": 812, "vram_timestamp": 1}'),
  ('b', 'gpu', 'active', fairlane_core.now() - interval '101 s', fairlane_core.now() - interval '1 hour', '{}'),
  ('c', 'external', 'spawning', null, fairlane_core.now(), '{}'),
  ('d', 'gpu', 'inactive', null, fairlane_core.now(), '{}'),
  ('e', 'gpu', 'terminated', null, fairlane_core.now(), '{}');
select tests.create_task_in('In Progress', :'owner', 'clip', 'a') as running \gset
update public.tasks set claimed_at = fairlane_core.now() - interval '1 minute' where id = :'running';

-- TEST: the row of numbers, as the role that reads it
select tests.authenticate_as('service_role');
select is(
  (select to_jsonb(s) - 'snapshot_time' from public.orchestrator_status as s),
  '{"queued_tasks": 3, "running_tasks": 2, "completed_tasks": 1, "error_tasks": 1, "failed_tasks": 1, "inactive_workers": 2,
    "active_workers": 2, "terminated_workers": 1, "external_workers": 1, "stale_workers": 1, "stuck_tasks": 0}',
  'orchestrator_status counts tasks and workers'
);
select isnt((select snapshot_time from public.orchestrator_status), null, 'And says when');

-- TEST: the workers
select is(
  (select to_jsonb(w) - array['created_at', 'last_heartbeat'] from public.active_workers_health as w where w.id = 'a'),
  jsonb_build_object(
    'id', 'a', 'instance_type', 'gpu', 'status', 'active', 'health_status', 'healthy', 'heartbeat_age_seconds', 0.0,
    'vram_total_mb', 24564, 'vram_used_mb', 812, 'vram_timestamp', 1, 'current_task_id', :'running',
    'current_task_type', 'clip', 'task_runtime_seconds', 60.0, 'tasks_held', 1, 'current_model', null
  ), 'active_workers_health says how a worker is doing and what it runs'
);
select results_eq(
  'select id, health_status from public.active_workers_health order by id',
  $$ values ('a', 'healthy'), ('b', 'stale'), ('c', 'starting'), ('d', 'starting') $$, 'Those that have ended are not in it'
);
select tests.clear_authentication();

-- TEST: a task that nobody has named for long
select tests.step_clock('21 minutes');
select is((select stuck_tasks from public.orchestrator_status), 2::bigint, 'Tasks without a word are counted as stuck');

select * from finish();
rollback;
