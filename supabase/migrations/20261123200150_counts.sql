-- What: user_lines copy their owner's limit and what else closes them; a type for what the queue adds up to.
-- Why: with both, counting is one walk over the lines, without a join to the owners.
-- Back out: drop type queue.load_summary; alter table queue.user_lines drop column task_limit, drop column closed_by;
--   after the functions that use them (20261123201100_operations).

set lock_timeout = '900ms';
select queue.lock_tables('queue.user_slots', 'queue.user_lines');

alter table queue.user_lines
  add column task_limit integer not null default 0,
  add column closed_by text;

comment on column queue.user_lines.task_limit is 'Copy of user_slots.task_limit, so that counting reads the lines alone.';
comment on column queue.user_lines.closed_by is
  'no_credits or cloud_disabled, as in user_slots.cloud_reason; null = nothing but the limit can hold the line back. A copy, as above.';

update queue.user_lines as l
set task_limit = s.task_limit, closed_by = nullif(s.cloud_reason, 'user_at_limit')
from queue.user_slots as s
where s.user_id = l.user_id;

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
  overtaken queue.load_change[]
);

comment on type queue.load_summary is
  'Sums over users: tasks claimable one after another, owners of such tasks, users with live work, active tasks as in user_load_row, ready tasks held back by each reason of an owner; the users that had to be looked at one by one; what only time has changed since tasks were written.';
