-- What: a third pool, banodoco, that types may belong to and settings may pause.
-- Why: a service of its own runs two types of task, and no gpu or api worker can.
-- Back out: move its types to gpu or api, then put the two checks back as they were in the files before this one.

set lock_timeout = '900ms';

select queue.lock_tables('public.tasks', 'public.task_types', 'queue.settings');

alter table public.task_types
  drop constraint task_types_run_type_is_known,
  add constraint task_types_run_type_is_known check (run_type in ('gpu', 'api', 'banodoco'));

alter table queue.settings
  drop constraint settings_paused_pools_are_pools,
  add constraint settings_paused_pools_are_pools check (paused_pools <@ array['gpu', 'api', 'banodoco']);

comment on table public.task_types is
  'What the queue knows of a type of task; a type without a row counts as gpu, processing (orchestration if its name ends in _orchestrator), no generation.';
comment on column public.task_types.run_type is 'The pool of workers that runs it: gpu, api or banodoco.';
comment on column public.tasks.takes_slot is
  'Derived from task_types.category, without a row from the name: false for orchestration.';
comment on column queue.settings.paused_pools is
  'Pools (gpu, api, banodoco) of which no claim gets a task for now (pool_paused); what runs goes on. Default none.';
