-- A running task that nobody can be expected to finish.
create type queue.lost_task as (
  task_id uuid,
  lease_token uuid,
  reported_at timestamptz,
  worker_id text,
  cause text,
  reason text
);

comment on type queue.lost_task is
  'A running task to be put back: its present start (lease_token, reported_at), who held it, the cause (worker_ended, terminated or crashed as a machine said, worker_silent, caller_silent, unassigned, unnamed, timed_out, never_delivered, failure_told, token_ended, enqueued_nothing, left_behind) and the same in words.';
