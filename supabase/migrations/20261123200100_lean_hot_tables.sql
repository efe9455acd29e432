-- What: no checks on public.tasks, an index of turns whose entries stand for one line each, triggers that stand back
-- for a claim.
-- Why: Postgres parses checks and trigger conditions anew for each statement, a seventh of what a claim cost; and an
-- index entry shared by many lines is read again by every claim until all of them have moved on.
-- Back out: add the checks again as not valid (20261123100100_upgrade_tables.sql), recreate the index without the option
-- and the two triggers as in 20261123100300_rules.sql.

set lock_timeout = '5s';

-- Each is kept by the triggers: a task begins Queued and changes only along the state machine, a Failed one is given a
-- reason (tasks_before_update), a run_type that does not exist is refused (queue.refuse_impossible_values).
alter table public.tasks
  drop constraint tasks_status_is_known,
  drop constraint tasks_run_type_is_known,
  drop constraint tasks_failure_has_a_reason;

drop index queue.user_lines_turns;
create index user_lines_turns on queue.user_lines (pool, running, turn_at) with (deduplicate_items = off)
  where is_open;
