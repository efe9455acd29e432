-- What: tasks.has_bounded_params, which says that a trigger has measured the params.
-- Why: what is small on disk may take gigabytes to write out; a claim must know without measuring.
-- Back out: apply the functions of the migrations before this one again; the column may stay, or: alter table public.tasks drop column has_bounded_params;
set lock_timeout = '900ms';

select queue.lock_tables('public.tasks', 'queue.settings');

alter table public.tasks add column has_bounded_params boolean not null default false;

comment on column public.tasks.has_bounded_params is
  'True once a trigger has found the params within their bounds (queue.json_fault); false on rows from before these were asked, which claims then measure.';

comment on column queue.settings.max_text_length is
  'Error and progress texts longer than this many characters are cut on the task, with a mark; the event keeps up to 80 KiB, the beginning and the end. Default 16384.';
