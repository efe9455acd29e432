-- What: indexes for lines with orchestration apart, and for turns by starts; 20261130916100 puts them in the place of the old ones.
-- Why: when an owner's places for orchestration are taken, the line goes on behind it, however much of it waits.
-- Back out: drop index concurrently public.tasks_line_by_kind, public.tasks_line_by_model_and_kind; drop index queue.user_lines_turns_by_load;

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.tasks');
select queue.drop_unfinished_indexes('queue.user_lines');

create index concurrently if not exists tasks_line_by_kind
  on public.tasks (user_id, pool, run_type, takes_slot, priority desc, created_at, id) where standing = 'ready';
create index concurrently if not exists tasks_line_by_model_and_kind
  on public.tasks (user_id, pool, run_type, model, takes_slot, priority desc, created_at, id) where standing = 'ready';
create index concurrently if not exists user_lines_turns_by_load
  on queue.user_lines (pool, turn_load, turn_at) with (deduplicate_items = off) where is_open;
