-- A run of a job that works in batches, between two of them.
create type queue.batch_run as (
  job text,
  due uuid[],
  done_count integer,
  result jsonb,
  started_at timestamptz,
  pause interval,
  is_over boolean
);

comment on type queue.batch_run is
  'A run of cleanup, purge, reconcile or rescue: the tasks or owners that were due when it began, how many of them it has come to, what came of it so far, how long to leave the machine to others now.';
