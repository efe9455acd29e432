-- What the derived state should be, counted from the tasks themselves; truncating all tasks resets it, and it cannot be
-- truncated alone.

-- The user_queues as counted from the tasks, for one user or for all (null); last_served_at is null. drift and
-- reconcile share this query.
create function fairlane_core.recount(p_user_id uuid)
returns setof fairlane_core.user_queues
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
    n.running,
    (c.ready_cloud > 0 or (c.ready_cloud_orchestration > 0 and n.orchestrating < s.orchestration_limit))
      and coalesce(s.cloud_reason, 'user_at_limit') = 'user_at_limit'
      and n.running < s.task_limit,
    null::timestamptz,
    s.task_limit,
    nullif(s.cloud_reason, 'user_at_limit'),
    n.running + n.orchestrating + n.remembered,
    greatest(s.orchestration_limit - n.orchestrating, 0)
  from (
    select
      t.user_id,
      t.pool,
      (count(*) filter (where t.readiness = 'ready' and t.run_type = 'cloud' and t.takes_slot))::integer as ready_cloud,
      (count(*) filter (where t.readiness = 'ready' and t.run_type = 'cloud' and not t.takes_slot))::integer as ready_cloud_orchestration,
      (count(*) filter (where t.readiness = 'ready' and t.run_type = 'local' and t.takes_slot))::integer as ready_local,
      (count(*) filter (where t.readiness = 'ready' and t.run_type = 'local' and not t.takes_slot))::integer as ready_local_orchestration,
      (count(*) filter (where t.readiness = 'active' and t.token_id is null and t.takes_slot))::integer as active_cloud,
      (count(*) filter (where t.readiness = 'active' and t.token_id is null and not t.takes_slot))::integer as active_cloud_orchestration,
      (count(*) filter (where t.readiness = 'active' and t.token_id is not null and t.takes_slot))::integer as active_local,
      (count(*) filter (where t.readiness = 'active' and t.token_id is not null and not t.takes_slot))::integer as active_local_orchestration
    from fairlane.tasks as t
    where t.readiness is not null
      and t.user_id is not null
      and (p_user_id is null or t.user_id = p_user_id)
    group by t.user_id, t.pool
  ) as c
    join fairlane_core.user_slots as s on s.user_id = c.user_id
    left join fairlane_core.recount_slots(p_user_id) as r on r.user_id = c.user_id
    cross join lateral (
      select coalesce(r.running, 0) as running, coalesce(r.orchestrating, 0) as orchestrating, coalesce(r.remembered, 0) as remembered
    ) as n;
end;
$$;

-- What running, orchestrating and remembered of user_slots should be, counted from the tasks and from held slots, for
-- one user or for all (null); no row = nothing. Hand-overs of orchestrators and released slots cannot be derived.
create function fairlane_core.recount_slots(p_user_id uuid)
returns table (user_id uuid, running integer, orchestrating integer, remembered integer)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
begin
  return query
  select s.user_id, sum(s.running)::integer, sum(s.orchestrating)::integer, sum(s.remembered)::integer
  from (
    select
      t.user_id,
      t.takes_slot::integer as running,
      (not t.takes_slot and not fairlane_core.is_handed_over(t.id, t.lease_token))::integer as orchestrating,
      0 as remembered
    from fairlane.tasks as t
    where t.readiness = 'active'
      and t.user_id is not null
      and (p_user_id is null or t.user_id = p_user_id)
    union all
    select
      h.user_id,
      (h.let_go_at is null and h.takes_slot)::integer,
      (h.let_go_at is null and not h.takes_slot)::integer,
      (h.let_go_at is not null)::integer
    from fairlane_core.held_slots as h
    where p_user_id is null
      or h.user_id = p_user_id
  ) as s
  group by s.user_id;
end;
$$;

-- Rows that migrations ship and everything relies on, and that are missing, each with the statement that restores it.
-- Nothing else notices the loss of one in a restore or a manual clean-up: without the row of the clock, for instance,
-- silence is no longer measured.
create function fairlane_core.missing_rows()
returns table (row_name text, hint text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return query
  select 'the row of fairlane_core.settings', 'insert into fairlane_core.settings default values'
  where not exists (select from fairlane_core.settings as s)
  union all
  select 'the row of fairlane_core.clock_watch', 'insert into fairlane_core.clock_watch default values'
  where not exists (select from fairlane_core.clock_watch as w)
  union all
  select
    pg_catalog.format('job %s of fairlane_core.job_runs', j.job),
    pg_catalog.format('insert into fairlane_core.job_runs (job, period) values (%L, %L)', j.job, j.period)
  from fairlane_core.jobs() as j
  where not exists (select from fairlane_core.job_runs as r where r.job = j.job);
end;
$$;

-- TRUNCATE fires no row triggers: this removes everything derived from the tasks. Their history stays.
create function fairlane_core.tasks_after_truncate()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may truncate
set search_path = ''
set enable_seqscan = on -- everything is removed
as $$
begin
  delete from fairlane_core.task_dependencies as d;
  delete from fairlane_core.subtasks as s;
  delete from fairlane_core.orchestrations as o;
  delete from fairlane_core.blocked_tasks as b;
  delete from fairlane_core.user_queues as l;
  delete from fairlane_core.handovers as h;
  delete from fairlane_core.held_slots as h;
  delete from fairlane_core.deferred_work as w where w.task_id is not null;
  update fairlane_core.user_slots as s
  set (running, orchestrating, remembered, cloud_reason, local_reason) = (
    select w.running, w.orchestrating, w.remembered, w.cloud_reason, w.local_reason from fairlane_core.slots_of(u, 0, 0, 0) as w
  )
  from fairlane.owners as u
  where u.id = s.user_id
    and (s.running <> 0 or s.orchestrating <> 0 or s.remembered <> 0);
  perform fairlane_core.recount_totals();
  return null;
end;
$$;

create trigger tasks_after_truncate
  after truncate on fairlane.tasks
  for each statement execute function fairlane_core.tasks_after_truncate();

-- The totals of ended tasks advance with the history; without it they are counted from the tasks.
create function fairlane_core.events_after_truncate()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may truncate
set search_path = ''
set enable_seqscan = on -- counts all tasks
as $$
begin
  perform fairlane_core.recount_totals();
  return null;
end;
$$;

create trigger events_after_truncate
  after truncate on fairlane.task_events
  for each statement execute function fairlane_core.events_after_truncate();

-- Refuses to truncate tables that tasks depend on, or that are derived from them, without the tasks (409
-- TRUNCATE_REFUSED). Together with the tasks it is allowed: afterwards there are none.
create function fairlane_core.refuse_truncate()
returns trigger
language plpgsql
security definer -- looks at tasks on behalf of any caller who may truncate
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  if exists (select from fairlane.tasks as t) then
    perform fairlane_core.refuse(
      409, 'TRUNCATE_REFUSED',
      pg_catalog.format('%I.%I cannot be truncated while there are tasks: nothing would follow', tg_table_schema, tg_table_name),
      'Delete rows instead, or truncate fairlane.tasks, which empties what is derived from it'
    );
  end if;
  return null;
end;
$$;

create trigger refuse_truncate after truncate on fairlane.task_types for each statement execute function fairlane_core.refuse_truncate();
create trigger refuse_truncate after truncate on fairlane_core.settings for each statement execute function fairlane_core.refuse_truncate();
create trigger refuse_truncate after truncate on fairlane_core.task_dependencies for each statement execute function fairlane_core.refuse_truncate();
create trigger refuse_truncate after truncate on fairlane_core.subtasks for each statement execute function fairlane_core.refuse_truncate();
create trigger refuse_truncate after truncate on fairlane_core.orchestrations for each statement execute function fairlane_core.refuse_truncate();
create trigger refuse_truncate after truncate on fairlane_core.user_slots for each statement execute function fairlane_core.refuse_truncate();
create trigger refuse_truncate after truncate on fairlane_core.user_queues for each statement execute function fairlane_core.refuse_truncate();
create trigger refuse_truncate after truncate on fairlane_core.blocked_tasks for each statement execute function fairlane_core.refuse_truncate();
