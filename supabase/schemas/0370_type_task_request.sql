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
