-- What the derived state should be, counted from the tasks themselves; what is derived goes with the tasks when all of them
-- are emptied out, and cannot be emptied under them.

-- The user_lines that the tasks themselves add up to, for one user or for all (null); turn_at is null. The one query
-- that drift and reconcile share.
create function queue.recount(p_user_id uuid)
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
      (count(*) filter (where t.standing = 'ready' and t.run_type = 'cloud' and t.takes_slot))::integer as ready_cloud,
      (count(*) filter (where t.standing = 'ready' and t.run_type = 'cloud' and not t.takes_slot))::integer as ready_cloud_orchestration,
      (count(*) filter (where t.standing = 'ready' and t.run_type = 'local' and t.takes_slot))::integer as ready_local,
      (count(*) filter (where t.standing = 'ready' and t.run_type = 'local' and not t.takes_slot))::integer as ready_local_orchestration,
      (count(*) filter (where t.standing = 'active' and t.token_id is null and t.takes_slot))::integer as active_cloud,
      (count(*) filter (where t.standing = 'active' and t.token_id is null and not t.takes_slot))::integer as active_cloud_orchestration,
      (count(*) filter (where t.standing = 'active' and t.token_id is not null and t.takes_slot))::integer as active_local,
      (count(*) filter (where t.standing = 'active' and t.token_id is not null and not t.takes_slot))::integer as active_local_orchestration
    from public.tasks as t
    where t.standing is not null
      and t.user_id is not null
      and (p_user_id is null or t.user_id = p_user_id)
    group by t.user_id, t.pool
  ) as c
    join queue.user_slots as s on s.user_id = c.user_id
    left join queue.recount_slots(p_user_id) as r on r.user_id = c.user_id
    cross join lateral (
      select coalesce(r.running, 0) as running, coalesce(r.orchestrating, 0) as orchestrating, coalesce(r.remembered, 0) as remembered
    ) as n;
end;
$$;

-- What running, orchestrating and remembered of user_slots should be, counted from the tasks and from what others
-- ended, for one user or for all (null); no row = nothing. That an orchestrator has handed over, and that a holder has
-- let go, cannot be derived.
create function queue.recount_slots(p_user_id uuid)
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
      (not t.takes_slot and not queue.is_handed_over(t.id, t.lease_token))::integer as orchestrating,
      0 as remembered
    from public.tasks as t
    where t.standing = 'active'
      and t.user_id is not null
      and (p_user_id is null or t.user_id = p_user_id)
    union all
    select
      h.user_id,
      (h.let_go_at is null and h.takes_slot)::integer,
      (h.let_go_at is null and not h.takes_slot)::integer,
      (h.let_go_at is not null)::integer
    from queue.held_slots as h
    where p_user_id is null
      or h.user_id = p_user_id
  ) as s
  group by s.user_id;
end;
$$;

-- Rows that migrations ship and everything relies on, and that are not there, with the statement that brings each back.
-- A restore or a clean-up by hand that loses one is noticed by nothing else: without the row of the clock, for
-- instance, silence is no longer measured.
create function queue.missing_rows()
returns table (row_name text, remedy text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return query
  select 'the row of queue.settings', 'insert into queue.settings default values'
  where not exists (select from queue.settings as s)
  union all
  select 'the row of queue.clock_watch', 'insert into queue.clock_watch default values'
  where not exists (select from queue.clock_watch as w)
  union all
  select
    pg_catalog.format('job %s of queue.job_runs', j.job),
    pg_catalog.format('insert into queue.job_runs (job, period) values (%L, %L)', j.job, j.period)
  from queue.jobs() as j
  where not exists (select from queue.job_runs as r where r.job = j.job);
end;
$$;

-- TRUNCATE fires no trigger for rows: with the tasks goes all that was derived from them. Their history stays.
create function queue.tasks_after_truncate()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may truncate
set search_path = ''
set enable_seqscan = on -- what is there is to go
as $$
begin
  delete from queue.task_dependencies as d;
  delete from queue.subtasks as s;
  delete from queue.orchestrations as o;
  delete from queue.blocked_tasks as b;
  delete from queue.user_lines as l;
  delete from queue.handovers as h;
  delete from queue.held_slots as h;
  delete from queue.deferred_work as w where w.task_id is not null;
  update queue.user_slots as s
  set (running, orchestrating, remembered, cloud_reason, local_reason) = (
    select w.running, w.orchestrating, w.remembered, w.cloud_reason, w.local_reason from queue.slots_of(u, 0, 0, 0) as w
  )
  from public.users as u
  where u.id = s.user_id
    and (s.running <> 0 or s.orchestrating <> 0 or s.remembered <> 0);
  perform queue.recount_totals();
  return null;
end;
$$;

create trigger tasks_after_truncate
  after truncate on public.tasks
  for each statement execute function queue.tasks_after_truncate();

-- The totals of ended tasks are counted on from the history; without it they are counted from the tasks.
create function queue.events_after_truncate()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may truncate
set search_path = ''
set enable_seqscan = on -- counts all tasks
as $$
begin
  perform queue.recount_totals();
  return null;
end;
$$;

create trigger events_after_truncate
  after truncate on public.task_events
  for each statement execute function queue.events_after_truncate();

-- What tasks go by, or what is derived from them, cannot be emptied under them (409 TRUNCATE_REFUSED). Together with
-- the tasks it can: after such a statement there are none.
create function queue.refuse_truncate()
returns trigger
language plpgsql
security definer -- looks at tasks on behalf of any caller who may truncate
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  if exists (select from public.tasks as t) then
    perform queue.refuse(
      409, 'TRUNCATE_REFUSED',
      pg_catalog.format('%I.%I cannot be truncated while there are tasks: nothing would follow', tg_table_schema, tg_table_name),
      'Delete rows instead, or truncate public.tasks, which empties what is derived from it'
    );
  end if;
  return null;
end;
$$;

create trigger refuse_truncate after truncate on public.task_types for each statement execute function queue.refuse_truncate();
create trigger refuse_truncate after truncate on queue.settings for each statement execute function queue.refuse_truncate();
create trigger refuse_truncate after truncate on queue.task_dependencies for each statement execute function queue.refuse_truncate();
create trigger refuse_truncate after truncate on queue.subtasks for each statement execute function queue.refuse_truncate();
create trigger refuse_truncate after truncate on queue.orchestrations for each statement execute function queue.refuse_truncate();
create trigger refuse_truncate after truncate on queue.user_slots for each statement execute function queue.refuse_truncate();
create trigger refuse_truncate after truncate on queue.user_lines for each statement execute function queue.refuse_truncate();
create trigger refuse_truncate after truncate on queue.blocked_tasks for each statement execute function queue.refuse_truncate();
