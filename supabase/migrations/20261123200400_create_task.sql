-- What: how many tasks a user may have queued; what a request for a task consists of; created_at from users.
-- Why: create-task, and an end to a queue that one user fills for everybody.
-- Back out: drop the column and the type named here, revoke the grant.

set lock_timeout = '900ms';
select queue.lock_tables('public.tasks', 'queue.settings');

alter table queue.settings add column max_queued_per_user integer default 10000;
alter table queue.settings
  add constraint settings_max_queued_per_user_is_not_negative check (max_queued_per_user >= 0);

comment on column queue.settings.max_queued_per_user is
  'How many tasks a user may have queued; beyond it the user''s own inserts are refused (429 QUEUE_FULL). The service key and children of a started orchestrator are not bound by it. Null = no bound. Default 10000.';

grant insert (created_at) on table public.tasks to authenticated;

-- One task that a caller asks for: what was sent, and what the queue found out about it.
create type queue.task_request as (
  task_id uuid,
  task_type text,
  params jsonb,
  project text,
  depends_on uuid[],
  run_type text,
  priority integer,
  available_at timestamptz,
  idempotency_key text,
  max_attempts integer,
  timeout_seconds integer,
  created_at timestamptz,
  project_id uuid,
  owner_id uuid
);

comment on type queue.task_request is
  'One task that a caller asks for. project is the text that was sent, project_id the project it leads to (null = none), owner_id whose task it would be.';
