-- What: tasks.free_returns counts how often a task was handed back, or never arrived, since it was enqueued or requeued.
-- Why: the free returns were counted per number of starts, so a task with three starts was handed out 33 times.
-- Back out: apply queue.tasks_before_update of the migrations before this one again; the column may stay, or: alter table public.tasks drop column free_returns;

set lock_timeout = '900ms';

select queue.lock_tables('public.tasks', 'queue.settings');

alter table public.tasks add column free_returns integer not null default 0;

comment on column public.tasks.free_returns is
  'How often the task was handed back by its holder, or never reached it, since it was enqueued or requeued; max_free_returns of these cost no start.';
comment on column queue.settings.max_free_returns is
  'How often a start of a task may be taken off again, because its holder hands the task back or it never reached its worker; after that each one counts, until somebody requeues the task. Default 10.';
