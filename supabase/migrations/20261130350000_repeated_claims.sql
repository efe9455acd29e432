-- What: tasks.claim_repeats counts how often a claim was answered again with the task under its claim_id.
-- Why: a worker that derives its claim_id from something that stays got a task that kills it again and again, at no cost.
-- Back out: apply queue.repeat_claim and queue.tasks_before_update of the migrations before this one again; the column may stay, or: alter table public.tasks drop column claim_repeats;

set lock_timeout = '900ms';

select queue.lock_tables('public.tasks', 'queue.settings');

alter table public.tasks add column claim_repeats integer not null default 0;

comment on column public.tasks.claim_repeats is
  'How often a claim that was answered with the task was answered again under its claim_id, since it was enqueued or requeued; max_free_returns of these cost no start.';
comment on column queue.settings.max_free_returns is
  'How often a start of a task may be taken off again, because its holder hands the task back, it never reached its worker, or it is handed out again because its reply was lost, and how often a claim is answered again under its claim_id; after that each one counts, until somebody requeues the task. Default 10.';
