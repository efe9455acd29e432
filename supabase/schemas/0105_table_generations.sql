-- The result records: what a user has to show for a task. At most one per task, by constraint.
create table public.generations (
  id uuid not null default gen_random_uuid(),
  project_id uuid,
  type text,
  location text,
  params jsonb,
  created_at timestamptz not null default now(),
  task_id uuid,
  user_id uuid,
  thumbnail_url text,
  parent_generation_id uuid,
  child_order integer,
  is_child boolean not null default false,
  based_on uuid,
  constraint generations_pkey primary key (id),
  constraint generations_are_one_per_task unique (task_id),
  constraint generations_belong_to_a_project foreign key (project_id) references public.projects (id) on delete cascade,
  constraint generations_belong_to_a_user foreign key (user_id) references public.users (id) on delete cascade,
  constraint generations_come_from_a_task foreign key (task_id) references public.tasks (id) on delete set null
);

create index generations_by_project on public.generations (project_id);
create index generations_by_user on public.generations (user_id);
-- What stands at a place of a parent record, the newest last.
create index generations_by_parent on public.generations (parent_generation_id, child_order, created_at, id)
  where parent_generation_id is not null;

comment on table public.generations is 'Result records; exactly one per completed task of a type that creates them.';
comment on column public.generations.type is 'image or video, from the task''s type.';
comment on column public.generations.location is 'Where the result is; null when the worker reported none. The task''s output_location, unless the app has moved it.';
comment on column public.generations.params is 'The task''s params at completion.';
comment on column public.generations.task_id is 'The task it came from; null when that task was deleted, or on rows from before the column existed.';
comment on column public.generations.parent_generation_id is 'The generation this one is a part of.';
comment on column public.generations.child_order is 'Its place among the parent''s parts.';
comment on column public.generations.is_child is 'True for a part of another generation.';
comment on column public.generations.based_on is 'The generation this one was made from.';

alter table public.generations enable row level security;

revoke all on table public.generations from public, anon, authenticated, service_role;
grant select on table public.generations to authenticated;
grant select, insert, update, delete on table public.generations to service_role;

create policy owners_read_generations on public.generations
  for select to authenticated
  using (user_id = (select auth.uid()));
