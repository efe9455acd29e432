-- The derived state, counted anew from the tasks and users alone and by other means than the code under test. Commits,
-- like the helpers before it.
set client_min_messages = warning;

-- Where a task stands by the rules as they are written down (docs/architecture.md).
create or replace function tests.expected_readiness(p_task public.tasks)
returns text language sql stable set search_path = '' as $$
  with dependency as (
    select d.depends_on as id from fairlane_core.task_dependencies as d where d.task_id = p_task.id
    union
    select p_task.dependant_on where p_task.dependant_on is not null
  ),
  outcome as (
    select coalesce(t.status, 'missing') as status
    from dependency as d
      left join public.tasks as t on t.id = d.id and t.user_id is not distinct from p_task.user_id
  )
  select case
    when p_task.status = 'In Progress' then 'active'
    when p_task.status <> 'Queued' then null
    when p_task.user_id is null then 'no_owner'
    when p_task.run_type is null then 'no_run_type'
    when exists (select from public.task_types as y where y.name = p_task.task_type and not y.is_active)
      then 'type_inactive'
    when p_task.available_at > fairlane_core.now() then 'not_yet'
    when exists (select from outcome as o where o.status in ('Queued', 'In Progress')) then 'dependency_pending'
    when exists (select from outcome as o where o.status <> 'Complete') then 'dependency_lost'
    when p_task.attempts = 0
      and fairlane_core.now() - p_task.created_at > interval '7 days'
      and not exists (
        select
        from public.tasks as parent
        where parent.id::text = lower(p_task.params ->> fairlane_core.parent_key())
          and parent.status in ('Queued', 'In Progress')
      )
      then 'stale'
    else 'ready'
  end;
$$;

-- Every task as the counters should see it. That a time has come is not written until a claim needs it, so a task that
-- has only become due, or only grown stale, may still stand where it stood.
create or replace function tests.recounted_tasks()
returns table (
  id uuid, user_id uuid, pool text, takes_slot boolean, is_cloud boolean, stored_readiness text, readiness text
)
language sql
stable
set search_path = ''
as $$
  select
    t.id, t.user_id,
    -- What runs keeps the pool of its start, and what was orchestration then stays it.
    case when t.status = 'In Progress' then t.pool else coalesce(y.run_type, 'gpu') end,
    coalesce(y.category <> 'orchestration', t.task_type not like '%\_orchestrator') and (t.takes_slot or t.status <> 'In Progress'),
    case when t.status = 'In Progress' then t.token_id is null else t.run_type is distinct from 'local' end,
    t.readiness,
    case
      when t.readiness = 'not_yet' and t.available_at <= fairlane_core.now() then 'not_yet'
      when t.readiness = 'ready' and e.readiness = 'stale' then 'ready'
      else e.readiness
    end
  from public.tasks as t
    left join public.task_types as y on y.name = t.task_type
    cross join lateral tests.expected_readiness(t) as e (readiness);
$$;

-- What each user may, and how much of it is taken.
create or replace function tests.recounted_slots()
returns table (
  user_id uuid, running bigint, task_limit integer, has_credits boolean, cloud_on boolean, local_on boolean,
  orchestrating bigint, orchestration_limit integer, remembered bigint
)
language sql
stable
set search_path = ''
as $$
  select
    u.id,
    (
      select count(*)
      from tests.recounted_tasks() as t
      where t.user_id = u.id and t.readiness = 'active' and t.takes_slot
    ) + (select count(*) from fairlane_core.held_slots as h where h.user_id = u.id and h.takes_slot and h.let_go_at is null),
    coalesce(u.max_in_progress, (select s.default_task_limit from fairlane_core.settings as s)),
    u.credits > 0,
    u.settings #>> fairlane_core.switch_path('cloud') is distinct from 'false'
      or jsonb_typeof(u.settings #> fairlane_core.switch_path('cloud')) <> 'boolean',
    u.settings #>> fairlane_core.switch_path('local') is distinct from 'false'
      or jsonb_typeof(u.settings #> fairlane_core.switch_path('local')) <> 'boolean',
    (
      select count(*)
      from tests.recounted_tasks() as t
        join public.tasks as k on k.id = t.id
        left join fairlane_core.handovers as o on o.orchestrator_id = k.id and o.lease_token = k.lease_token
      where t.user_id = u.id and t.readiness = 'active' and not t.takes_slot and o.orchestrator_id is null
    ) + (select count(*) from fairlane_core.held_slots as h where h.user_id = u.id and not h.takes_slot and h.let_go_at is null),
    coalesce(
      u.max_orchestrating, (select s.default_orchestration_limit from fairlane_core.settings as s), u.max_in_progress,
      (select s.default_task_limit from fairlane_core.settings as s)
    ),
    (select count(*) from fairlane_core.held_slots as h where h.user_id = u.id and h.let_go_at is not null)
  from public.users as u;
$$;

-- The lines with live work in them.
create or replace function tests.recounted_lines()
returns table (
  user_id uuid, pool text, ready_cloud bigint, ready_cloud_orchestration bigint, ready_local bigint,
  ready_local_orchestration bigint, active_cloud bigint, active_cloud_orchestration bigint, active_local bigint,
  active_local_orchestration bigint, is_open boolean
)
language sql
stable
set search_path = ''
as $$
  select
    t.user_id, t.pool,
    count(*) filter (where t.readiness = 'ready' and t.is_cloud and t.takes_slot),
    count(*) filter (where t.readiness = 'ready' and t.is_cloud and not t.takes_slot),
    count(*) filter (where t.readiness = 'ready' and not t.is_cloud and t.takes_slot),
    count(*) filter (where t.readiness = 'ready' and not t.is_cloud and not t.takes_slot),
    count(*) filter (where t.readiness = 'active' and t.is_cloud and t.takes_slot),
    count(*) filter (where t.readiness = 'active' and t.is_cloud and not t.takes_slot),
    count(*) filter (where t.readiness = 'active' and not t.is_cloud and t.takes_slot),
    count(*) filter (where t.readiness = 'active' and not t.is_cloud and not t.takes_slot),
    bool_or(t.readiness = 'ready' and t.is_cloud and (t.takes_slot or s.orchestrating < s.orchestration_limit))
      and bool_and(s.has_credits and s.cloud_on and s.running < s.task_limit)
  from tests.recounted_tasks() as t
    join tests.recounted_slots() as s on s.user_id = t.user_id
  where t.readiness in ('ready', 'active')
  group by t.user_id, t.pool;
$$;

-- Every counter that is not what the recount says, and every session variable that a call has left set (what it has said
-- of itself must not be taken for the next one's); empty when all is well.
create or replace function tests.drift()
returns table (counter text, stored text, recounted text) language sql stable set search_path = '' as $$
  select 'readiness of task ' || t.id, t.stored_readiness, t.readiness
  from tests.recounted_tasks() as t
  where t.stored_readiness is distinct from t.readiness

  union all
  select 'pool of task ' || t.id, row(t.pool, t.takes_slot)::text, row(r.pool, r.takes_slot)::text
  from public.tasks as t
    join tests.recounted_tasks() as r on r.id = t.id
  where r.readiness is not null
    and (t.pool, t.takes_slot) is distinct from (r.pool, r.takes_slot)

  union all
  select 'session variable ' || v.name, current_setting(v.name, true), ''
  from unnest(array['fairlane_core.event', 'fairlane_core.mode', 'fairlane_core.noticed']) as v (name)
  where current_setting(v.name, true) <> ''

  union all
  select 'machines of task ' || t.id, t.runs_on_own_gpu::text, e.expected::text
  from public.tasks as t
    left join public.task_types as y on y.name = t.task_type
    cross join lateral (values (coalesce(y.runs_on_own_gpu and y.run_type <> 'gpu', false))) as e (expected)
  where t.status = 'Queued'
    and t.runs_on_own_gpu <> e.expected

  union all
  select 'slots of user ' || coalesce(s.user_id, r.user_id), s::text, r::text
  from tests.recounted_slots() as r
    full join (
      select
        u.user_id, u.running::bigint, u.task_limit, u.has_credits, u.cloud_on, u.local_on, u.orchestrating::bigint,
        u.orchestration_limit, u.remembered::bigint
      from fairlane_core.user_slots as u
    ) as s on s.user_id = r.user_id
  where s is distinct from r

  union all
  select 'reasons of user ' || u.user_id, row(u.cloud_reason, u.local_reason)::text, row(w.cloud_reason, w.local_reason)::text
  from fairlane_core.user_slots as u
    cross join lateral (
      select
        case
          when not u.has_credits then 'no_credits'
          when not u.cloud_on then 'cloud_disabled'
          when u.running >= u.task_limit then 'user_at_limit'
        end,
        case when not u.local_on then 'local_disabled' when u.running >= u.task_limit then 'user_at_limit' end
    ) as w (cloud_reason, local_reason)
  where (u.cloud_reason, u.local_reason) is distinct from (w.cloud_reason, w.local_reason)

  union all
  select 'line ' || coalesce(l.pool, r.pool) || ' of user ' || coalesce(l.user_id, r.user_id), l::text, r::text
  from tests.recounted_lines() as r
    full join (
      select
        u.user_id, u.pool, u.ready_cloud::bigint, u.ready_cloud_orchestration::bigint, u.ready_local::bigint,
        u.ready_local_orchestration::bigint, u.active_cloud::bigint, u.active_cloud_orchestration::bigint,
        u.active_local::bigint, u.active_local_orchestration::bigint, u.is_open
      from fairlane_core.user_queues as u
      -- A line that ran empty stays as it is.
      where u.is_open
        or u.ready_cloud + u.ready_cloud_orchestration + u.ready_local + u.ready_local_orchestration
          + u.active_cloud + u.active_cloud_orchestration + u.active_local + u.active_local_orchestration > 0
    ) as l on l.user_id = r.user_id and l.pool = r.pool
  where l is distinct from r

  union all
  select
    'turn of user ' || l.user_id || ' in ' || l.pool, row(l.running, l.turn_load, l.orchestration_room)::text,
    row(r.running, r.running + r.orchestrating + r.remembered, greatest(r.orchestration_limit - r.orchestrating, 0))::text
  from fairlane_core.user_queues as l
    join tests.recounted_slots() as r on r.user_id = l.user_id
  where l.is_open
    and (l.running, l.turn_load, l.orchestration_room)
      <> (r.running, r.running + r.orchestrating + r.remembered, greatest(r.orchestration_limit - r.orchestrating, 0))

  union all
  select 'blocked ' || coalesce(b.key, r.key), b.task_count::text, r.task_count::text
  from (
    select
      concat_ws(
        ' ', coalesce(t.user_id, '00000000-0000-0000-0000-000000000000'), t.pool, t.readiness, t.is_cloud
      ) as key,
      count(*) as task_count
    from tests.recounted_tasks() as t
    where t.readiness not in ('active', 'ready')
    group by 1
  ) as r
    full join (
      select concat_ws(' ', c.user_id, c.pool, c.reason, c.is_cloud) as key, c.task_count
      from fairlane_core.blocked_tasks as c
      where c.task_count <> 0
    ) as b on b.key = r.key
  where b.task_count is distinct from r.task_count;
$$;

select plan(1);
select is_empty('select * from tests.drift()', 'The derived state is what a recount says');
select * from finish();
