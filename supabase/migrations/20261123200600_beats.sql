-- What: what beats and the health of workers need: reaped_at, a bound for log lines, an index over a worker's ended
-- tasks.
-- Why: a beat takes back what the reaper said, and nothing that anybody else did; a worker is told what was cancelled
-- under it, and an orchestrator asks for a worker's last completion, both without reading a million finished tasks.
-- Back out: drop the columns and the index named here; grant insert and update on public.workers to service_role.

set lock_timeout = '5s';

alter table queue.settings add column max_logs_per_call integer not null default 1000;
alter table queue.settings
  add constraint settings_max_logs_per_call_is_positive check (max_logs_per_call > 0);

comment on column queue.settings.max_logs_per_call is
  'How many log lines one beat or batch may bring; what is beyond is counted as an error. Default 1000.';

alter table public.workers add column reaped_at timestamptz;

comment on column public.workers.reaped_at is
  'When the queue itself set the worker to error for its silence; null as soon as anybody else says the status. No API role writes it.';

-- All but reaped_at.
revoke insert, update on table public.workers from service_role;
grant insert (id, instance_type, status, last_heartbeat, created_at, metadata, current_model),
  update (id, instance_type, status, last_heartbeat, created_at, metadata, current_model)
  on table public.workers to service_role;

create index tasks_ended_by_worker on public.tasks (worker_id, status, generation_processed_at)
  where worker_id is not null and status in ('Complete', 'Failed', 'Cancelled');
