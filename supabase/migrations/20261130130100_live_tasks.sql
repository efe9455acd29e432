-- What: an index of the tasks that are Queued or In Progress, by owner and type.
-- Why: cancel_tasks and a type's change look for an owner's live tasks of a type, and must not read all that have ended.
-- Back out: drop index concurrently public.tasks_live.

set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.tasks');

-- Cut, because the types of tasks from before they had bounds may be too long for an index.
create index concurrently if not exists tasks_live
  on public.tasks (user_id, left(task_type, 200), id) where standing is not null;
