-- What: no checks on public.tasks, no generated columns in queue.user_slots, an index of turns whose entries stand for
-- one line each.
-- Why: Postgres parses checks and generated expressions anew for each statement, a sixth of what a claim cost; and an
-- index entry shared by many lines is read again by every claim until all of them have moved on.
-- Back out: add the checks again as not valid (20261123100100_upgrade_tables.sql), recreate the index without the
-- option, drop the two columns and add them again as in 20261123100200_new_tables.sql.

set lock_timeout = '900ms';
select queue.lock_tables('public.tasks', 'queue.user_slots', 'queue.user_lines');

-- Each is kept by the triggers: a task begins Queued and changes only along the state machine, a Failed one is given a
-- reason (tasks_before_update), a run_type that does not exist is refused (queue.refuse_impossible_values).
alter table public.tasks
  drop constraint tasks_status_is_known,
  drop constraint tasks_run_type_is_known,
  drop constraint tasks_failure_has_a_reason;

drop index queue.user_lines_turns;
create index user_lines_turns on queue.user_lines (pool, running, turn_at) with (deduplicate_items = off)
  where is_open;

-- queue.slots_of derives them from now on, and who moves running moves them.
alter table queue.user_slots
  alter column cloud_reason drop expression,
  alter column local_reason drop expression;
