-- What: types of another pool that GPU workers can run, too, and the tasks of these types, are marked as such.
-- Why: a user's own GPU machine claims for gpu, and runs the image types of the API workers as well.
-- Back out: alter table public.tasks drop column runs_on_own_gpu; alter table public.task_types drop column runs_on_own_gpu;

set lock_timeout = '900ms';

select queue.lock_tables('public.tasks', 'public.task_types');

alter table public.task_types
  add column runs_on_own_gpu boolean not null default false,
  add constraint task_types_orchestration_keeps_to_its_pool check (category <> 'orchestration' or not runs_on_own_gpu);

alter table public.tasks add column runs_on_own_gpu boolean not null default false;

comment on column public.task_types.runs_on_own_gpu is
  'True for a type of another pool that GPU workers can run, too: a claim for gpu with a token of the task''s owner gets it as well. Without effect on a type of gpu.';
comment on column public.tasks.runs_on_own_gpu is
  'Derived from task_types: a task of another pool that GPU machines of its owner run, too (queue.is_served_by); false for tasks of gpu.';
