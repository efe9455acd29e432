-- The owner of work: what they may spend, what they switched on, how much may run at once.
create table public.users (
  id uuid not null,
  credits numeric not null default 0,
  settings jsonb,
  created_at timestamptz not null default now(),
  max_in_progress integer,
  max_orchestrating integer,
  constraint users_pkey primary key (id),
  constraint users_max_in_progress_is_not_negative check (max_in_progress >= 0),
  constraint users_max_orchestrating_is_not_negative check (max_orchestrating >= 0)
);

comment on table public.users is 'Owners of work; id is the user''s id in auth.users.';
comment on column public.users.credits is 'Cloud work runs only while this is above 0.';
comment on column public.users.settings is
  'settings.ui.generationMethods.inCloud and .onComputer switch cloud and local work; missing or malformed = on.';
comment on column public.users.max_in_progress is
  'How many tasks may be In Progress at once; null = queue.settings.default_task_limit.';
comment on column public.users.max_orchestrating is
  'How many orchestration tasks may need a worker at once; null = queue.settings.default_orchestration_limit.';

alter table public.users enable row level security;

revoke all on table public.users from public, anon, authenticated, service_role;
grant select on table public.users to authenticated;
grant select, insert, update, delete on table public.users to service_role;

create policy users_read_themselves on public.users
  for select to authenticated
  using (id = (select auth.uid()));
