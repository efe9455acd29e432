-- A project groups tasks and says whose they are.
create table public.projects (
  id uuid not null default gen_random_uuid(),
  user_id uuid not null,
  name text not null default '',
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint projects_pkey primary key (id),
  constraint projects_belong_to_a_user foreign key (user_id) references public.users (id) on delete cascade
);

create index projects_by_user on public.projects (user_id);

comment on table public.projects is 'Groups tasks; a task''s owner is its project''s owner.';
comment on column public.projects.deleted_at is
  'Since when the project is deleted, while its tasks and results go piece by piece; the row goes last.';

alter table public.projects enable row level security;

revoke all on table public.projects from public, anon, authenticated, service_role;
-- A user names a project; its id and its age are not theirs to change.
grant select, delete, insert (id, user_id, name), update (name) on table public.projects to authenticated;
grant select, insert, update, delete on table public.projects to service_role;

create policy owners_read_projects on public.projects
  for select to authenticated
  using (user_id = (select auth.uid()) and deleted_at is null);

create policy owners_create_projects on public.projects
  for insert to authenticated
  with check (user_id = (select auth.uid()));

create policy owners_update_projects on public.projects
  for update to authenticated
  using (user_id = (select auth.uid()) and deleted_at is null)
  with check (user_id = (select auth.uid()));

create policy owners_delete_projects on public.projects
  for delete to authenticated
  using (user_id = (select auth.uid()) and deleted_at is null);
