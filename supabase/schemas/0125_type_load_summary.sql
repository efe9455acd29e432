-- What a caller's view of the queue adds up to.
create type queue.load_summary as (
  claimable integer,
  owners integer,
  users integer,
  active integer,
  active_orchestration integer,
  active_elsewhere integer,
  user_at_limit integer,
  no_credits integer,
  cloud_disabled integer,
  local_disabled integer,
  apart queue.user_load_row[],
  overtaken queue.load_change[],
  pool_paused integer
);

comment on type queue.load_summary is
  'Sums over users: tasks claimable one after another, owners of such tasks, users with live work, active tasks as in user_load_row, ready tasks held back by each reason of an owner; the users that had to be looked at one by one; what only time has changed since tasks were written; ready tasks of pools that are paused.';
