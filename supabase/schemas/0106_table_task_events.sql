-- The story of every task, in order, append only. Ids are taken under the owner's lock, so the order
-- of ids is the order in which things became true for that owner.
create table public.task_events (
  id bigint generated always as identity,
  task_id uuid not null,
  user_id uuid,
  at timestamptz not null,
  from_status text,
  to_status text not null,
  worker_id text,
  attempt integer not null,
  actor text not null,
  reason text,
  details jsonb,
  constraint task_events_pkey primary key (id)
);

create index task_events_by_task on public.task_events (task_id, id);
create index task_events_by_user on public.task_events (user_id, id);
-- Starts that came to nothing: the only trace of a worker that gave back all it ever had. Few, so that claims and
-- completions pay nothing.
create index task_events_by_worker on public.task_events (worker_id)
  where from_status = 'In Progress' and to_status in ('Queued', 'Failed');

comment on table public.task_events is 'Append-only history: every change of state of every task, and what was reported but changed nothing.';
comment on column public.task_events.task_id is 'The task; kept when the task is deleted.';
comment on column public.task_events.user_id is 'The task''s owner at the time.';
comment on column public.task_events.from_status is 'Null when the task was created; equal to to_status when nothing changed and the report was only recorded.';
comment on column public.task_events.attempt is 'Which start of the task this belongs to; 0 before the first.';
comment on column public.task_events.actor is 'Who did it, as far as known: service, token:<id>, user:<id>, or the database role of a direct change.';
comment on column public.task_events.reason is 'Why, in words.';
comment on column public.task_events.details is 'What else was reported, for example the full error text.';

alter table public.task_events enable row level security;

revoke all on sequence public.task_events_id_seq from public, anon, authenticated, service_role;
revoke all on table public.task_events from public, anon, authenticated, service_role;
grant select on table public.task_events to authenticated, service_role;

create policy owners_read_task_events on public.task_events
  for select to authenticated
  using (user_id = (select auth.uid()));
