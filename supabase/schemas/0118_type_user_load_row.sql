-- What one user has in the queue, as a caller would find it.
create type queue.user_load_row as (
  user_id uuid,
  reason text,
  ready integer,
  claimable integer,
  active integer,
  active_orchestration integer,
  active_elsewhere integer,
  running integer,
  task_limit integer,
  turn_at timestamptz
);

comment on type queue.user_load_row is
  'What one user has in the queue: why none of it may run now (null = may), ready tasks, tasks claimable one after another, active ones (elsewhere: on the user''s own machines), slots in use, the limit, since when the turn is awaited.';
