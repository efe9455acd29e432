-- How a task ended, for those that go with it.
create type queue.task_end as (
  task_id uuid,
  user_id uuid,
  status text,
  reason text
);

comment on type queue.task_end is
  'The end of a task, or its deletion (status deleted), as the tasks that depend on it need to know it.';
