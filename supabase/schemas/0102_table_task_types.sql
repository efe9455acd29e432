-- What the queue knows of a type of task. Tasks do not reference this table: unknown types must be
-- storable, and count as gpu, processing (orchestration if the name ends in _orchestrator), without a generation.
create table public.task_types (
  name text not null,
  run_type text not null default 'gpu',
  category text not null default 'processing',
  content_type text,
  is_active boolean not null default true,
  creates_generation boolean not null default false,
  max_attempts integer,
  timeout interval,
  is_retryable boolean not null default true,
  runs_on_own_gpu boolean not null default false,
  constraint task_types_pkey primary key (name),
  constraint task_types_run_type_is_known check (run_type in ('gpu', 'api', 'banodoco')),
  constraint task_types_category_is_known check (category in ('generation', 'processing', 'orchestration', 'utility')),
  constraint task_types_content_type_is_known check (content_type in ('image', 'video')),
  constraint task_types_max_attempts_is_positive check (max_attempts > 0),
  constraint task_types_timeout_is_positive check (timeout > interval '0'),
  constraint task_types_orchestration_creates_no_generation check (category <> 'orchestration' or not creates_generation),
  constraint task_types_max_attempts_is_at_most_1000 check (max_attempts <= 1000),
  constraint task_types_timeout_is_at_most_30_days check (timeout <= interval '30 days'),
  constraint task_types_orchestration_keeps_to_its_pool check (category <> 'orchestration' or not runs_on_own_gpu)
);

-- Rows from before this rule are not asked again.
alter table public.task_types
  add constraint task_types_name_has_1_to_200_characters check (length(name) between 1 and 200) not valid;

comment on table public.task_types is
  'What the queue knows of a type of task; a type without a row counts as gpu, processing (orchestration if its name ends in _orchestrator), no generation.';
comment on column public.task_types.run_type is 'The pool of workers that runs it: gpu, api or banodoco.';
comment on column public.task_types.category is 'orchestration tasks take none of their owner''s slots.';
comment on column public.task_types.content_type is 'What its generation is: image or video.';
comment on column public.task_types.is_active is 'False holds back every queued task of the type (type_inactive).';
comment on column public.task_types.creates_generation is 'Whether completing a task records a generation.';
comment on column public.task_types.max_attempts is 'Starts before a task ends Failed; at most 1000; null = queue.settings.max_attempts.';
comment on column public.task_types.timeout is 'How long one start may run, at most 30 days; null = no limit of its own.';

comment on column public.task_types.is_retryable is 'False ends a task at its first reported failure, whatever attempts are left.';
comment on column public.task_types.runs_on_own_gpu is
  'True for a type of another pool that GPU workers can run, too: a claim for gpu with a token of the task''s owner gets it as well. Without effect on a type of gpu.';

alter table public.task_types enable row level security;

revoke all on table public.task_types from public, anon, authenticated, service_role;
grant select on table public.task_types to authenticated;
grant select, insert, update, delete on table public.task_types to service_role;

create policy everyone_signed_in_reads_task_types on public.task_types
  for select to authenticated
  using (true);
