-- What: places for orchestration of its own limit (users.max_orchestrating, default_orchestration_limit), slots that are held after others have ended a start (queue.held_slots, held_slot_limit), and both in the counters of who is next.
-- Why: orchestration took no slot and so always had the fewest running; who cancelled all day ran as many machines as there were.
-- Back out: apply the functions of the migrations before this one again; the columns and tables may stay.

set lock_timeout = '900ms';

select queue.lock_tables('public.tasks', 'public.users', 'queue.settings', 'queue.user_slots', 'queue.user_lines');

alter table public.users
  add column max_orchestrating integer,
  add constraint users_max_orchestrating_is_not_negative check (max_orchestrating >= 0) not valid;

comment on column public.users.max_orchestrating is
  'How many orchestration tasks may need a worker at once; null = queue.settings.default_orchestration_limit.';

alter table queue.settings
  add column default_orchestration_limit integer,
  add column held_slot_limit interval not null default interval '10 minutes',
  add constraint settings_default_orchestration_limit_is_not_negative check (default_orchestration_limit >= 0),
  add constraint settings_held_slot_limit_is_positive check (held_slot_limit > interval '0');

comment on column queue.settings.default_orchestration_limit is
  'How many orchestration tasks of a user may need a worker at once when users.max_orchestrating is null. Default null: as many as the user may run tasks.';
comment on column queue.settings.held_slot_limit is
  'How long at most a start that another than its holder ended keeps its slot, and how long it counts when it is asked whose turn it is. Default 10 minutes.';

alter table queue.user_slots
  add column orchestrating integer not null default 0,
  add column orchestration_limit integer not null default 0,
  add column remembered integer not null default 0;

-- Until the functions are replaced, rows of new users say null of them, which would stop the claims of these users and
-- the upgrade itself. Dropped by 20261130916100.
create function queue.fill_in_slots()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.orchestrating := coalesce(new.orchestrating, 0);
  new.orchestration_limit := coalesce(new.orchestration_limit, 0);
  new.remembered := coalesce(new.remembered, 0);
  return new;
end;
$$;

comment on function queue.fill_in_slots() is 'Trigger: for the time of an upgrade; what older functions leave null is 0.';

revoke all on function queue.fill_in_slots() from public, anon, authenticated, service_role;

create trigger fill_in_slots
  before insert on queue.user_slots
  for each row execute function queue.fill_in_slots();

comment on column queue.user_slots.running is
  'Tasks In Progress that take a slot (orchestration takes none), and slots that queue.held_slots keeps.';
comment on column queue.user_slots.orchestrating is
  'The same for orchestration tasks, which take places of their own: those that still need a worker.';
comment on column queue.user_slots.orchestration_limit is 'How many of these there may be.';
comment on column queue.user_slots.remembered is
  'Starts that others than their holders ended, whose holders have let go since: they count for the turn for held_slot_limit.';

alter table queue.user_lines
  add column turn_load integer not null default 0,
  add column orchestration_room integer not null default 0;

comment on column queue.user_lines.running is 'Copy of user_slots.running.';
comment on column queue.user_lines.turn_load is
  'user_slots.running, orchestrating and remembered together: who has the fewest is served first.';
comment on column queue.user_lines.orchestration_room is
  'How many more orchestration tasks the owner may start: user_slots.orchestration_limit less orchestrating, at least 0.';

-- And until then these two, which give whole rows of the two tables, as they were but for the new columns: drift and
-- reconcile failed without them, and an operator could not look while the upgrade stood still.
create or replace function queue.slots_of(p_user public.users, p_running integer)
returns queue.user_slots
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_methods jsonb := p_user.settings #> '{ui,generationMethods}';
  v_slots queue.user_slots;
begin
  v_slots.user_id := p_user.id;
  v_slots.running := p_running;
  v_slots.orchestrating := 0;
  v_slots.orchestration_limit := 0;
  v_slots.remembered := 0;
  v_slots.task_limit := coalesce(p_user.max_in_progress, (select d.default_task_limit from queue.settings as d));
  v_slots.has_credits := coalesce(p_user.credits, 0) > 0;
  v_slots.cloud_on := v_methods -> 'inCloud' is distinct from 'false';
  v_slots.local_on := v_methods -> 'onComputer' is distinct from 'false';
  v_slots.settings_malformed := coalesce(jsonb_typeof(v_methods -> 'inCloud') <> 'boolean', false)
    or coalesce(jsonb_typeof(v_methods -> 'onComputer') <> 'boolean', false);
  -- In the order in which the reasons are reported.
  v_slots.cloud_reason := case
    when not v_slots.has_credits then 'no_credits'
    when not v_slots.cloud_on then 'cloud_disabled'
    when v_slots.running >= v_slots.task_limit then 'user_at_limit'
  end;
  v_slots.local_reason := case
    when not v_slots.local_on then 'local_disabled'
    when v_slots.running >= v_slots.task_limit then 'user_at_limit'
  end;
  return v_slots;
end;
$$;

create or replace function queue.recount(p_user_id uuid)
returns setof queue.user_lines
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return query
  select
    c.user_id, c.pool,
    c.ready_cloud, c.ready_cloud_orchestration, c.ready_local, c.ready_local_orchestration,
    c.active_cloud, c.active_cloud_orchestration, c.active_local, c.active_local_orchestration,
    c.running,
    c.ready_cloud + c.ready_cloud_orchestration > 0
      and coalesce(s.cloud_reason, 'user_at_limit') = 'user_at_limit'
      and c.running < s.task_limit,
    null::timestamptz,
    s.task_limit,
    nullif(s.cloud_reason, 'user_at_limit'),
    0,
    0
  from (
    select
      t.user_id,
      t.pool,
      (count(*) filter (where t.standing = 'ready' and t.run_type = 'cloud' and t.takes_slot))::integer as ready_cloud,
      (count(*) filter (where t.standing = 'ready' and t.run_type = 'cloud' and not t.takes_slot))::integer as ready_cloud_orchestration,
      (count(*) filter (where t.standing = 'ready' and t.run_type = 'local' and t.takes_slot))::integer as ready_local,
      (count(*) filter (where t.standing = 'ready' and t.run_type = 'local' and not t.takes_slot))::integer as ready_local_orchestration,
      (count(*) filter (where t.standing = 'active' and t.token_id is null and t.takes_slot))::integer as active_cloud,
      (count(*) filter (where t.standing = 'active' and t.token_id is null and not t.takes_slot))::integer as active_cloud_orchestration,
      (count(*) filter (where t.standing = 'active' and t.token_id is not null and t.takes_slot))::integer as active_local,
      (count(*) filter (where t.standing = 'active' and t.token_id is not null and not t.takes_slot))::integer as active_local_orchestration,
      (sum(count(*) filter (where t.standing = 'active' and t.takes_slot)) over (partition by t.user_id))::integer as running
    from public.tasks as t
    where t.standing is not null
      and t.user_id is not null
      and (p_user_id is null or t.user_id = p_user_id)
    group by t.user_id, t.pool
  ) as c
    join queue.user_slots as s on s.user_id = c.user_id;
end;
$$;

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

create table queue.handovers (
  orchestrator_id uuid not null,
  lease_token uuid not null,
  constraint handovers_pkey primary key (orchestrator_id)
);

comment on table queue.handovers is 'Orchestration tasks In Progress that need no worker, because all of their children are enqueued.';
comment on column queue.handovers.lease_token is 'The start in which they were enqueued; zeros for one from before leases.';

alter table queue.handovers enable row level security;

revoke all on table queue.handovers from public, anon, authenticated, service_role;
grant select on table queue.handovers to service_role;
