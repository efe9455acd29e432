-- Starts that another than their holder ended, by cancelling, completing, deleting, for as long as they count. A machine
-- may still be at work on each: until it lets go its slot is not free, and after that the start counts for its owner's
-- turn for a while. Who cancels all day runs no more machines than who does not, and is served no more often.
create table queue.held_slots (
  id bigint generated always as identity,
  task_id uuid not null,
  user_id uuid not null,
  pool text not null,
  takes_slot boolean not null,
  worker_id text not null,
  token_id uuid,
  lease_token uuid,
  attempt integer not null,
  billed_from timestamptz,
  held_since timestamptz not null,
  held_until timestamptz not null,
  let_go_at timestamptz,
  constraint held_slots_pkey primary key (id),
  constraint held_slots_belong_to_a_user foreign key (user_id) references public.users (id) on delete cascade
);

create index held_slots_by_task on queue.held_slots (task_id);
create index held_slots_by_user on queue.held_slots (user_id);
create index held_slots_by_worker on queue.held_slots (worker_id) where let_go_at is null;
create index held_slots_by_end on queue.held_slots (held_until);

comment on table queue.held_slots is
  'Starts that another than their holder ended: they keep their slot until the holder lets go, and count for the turn until held_until.';
comment on column queue.held_slots.task_id is 'The task, which may be gone.';
comment on column queue.held_slots.takes_slot is 'False: it holds one of its owner''s places for orchestration.';
comment on column queue.held_slots.worker_id is 'Who held the task, with the token in token_id (null = the service key).';
comment on column queue.held_slots.billed_from is
  'Start of the billed part of a start that the owner has ended while the fleet ran it; null = nothing is left to be billed.';
comment on column queue.held_slots.held_until is 'After this it holds and counts for nothing.';
comment on column queue.held_slots.let_go_at is 'When the holder let go: it claimed again, reported, ended or fell silent; null = not yet.';

alter table queue.held_slots enable row level security;

revoke all on table queue.held_slots from public, anon, authenticated, service_role;
grant select on table queue.held_slots to service_role;
