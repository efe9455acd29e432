-- Users whose derived state is not what their user row and their tasks add up to, and totals that are not what all tasks
-- do. A stable function sees one snapshot, so work that is going on is never mistaken for drift.
create function queue.drift()
returns table (user_id uuid, pool text, stored jsonb, counted jsonb)
language plpgsql
stable
security definer -- recount and the lines are for nobody else
set search_path = ''
set plan_cache_mode = force_custom_plan -- reads all there is, whoever asks
set enable_seqscan = on
as $$
#variable_conflict use_column
begin
  -- What runs, and what the user row allows.
  return query
  select u.id, null::text, to_jsonb(s), to_jsonb(w)
  from public.users as u
    left join queue.recount_slots(null) as r on r.user_id = u.id
    left join queue.user_slots as s on s.user_id = u.id
    cross join lateral queue.slots_of(
      u, coalesce(r.running, 0), coalesce(r.orchestrating, 0), coalesce(r.remembered, 0)
    ) as w
  where s is distinct from w;

  return query
  with counted as (
    select
      c.user_id, c.pool,
      -- The copies of what the slots say are kept up where they order the line.
      to_jsonb(c) - array['turn_at', 'user_id', 'pool']
        - case when c.is_open then array[]::text[] else array['running', 'turn_load', 'orchestration_room'] end as row_counts
    from queue.recount(null) as c
    where c.ready_cloud + c.ready_cloud_orchestration + c.ready_local + c.ready_local_orchestration
      + c.active_cloud + c.active_cloud_orchestration + c.active_local + c.active_local_orchestration > 0
  ),
  stored as (
    select
      l.user_id, l.pool,
      to_jsonb(l) - array['turn_at', 'user_id', 'pool']
        - case when l.is_open then array[]::text[] else array['running', 'turn_load', 'orchestration_room'] end as row_counts
    from queue.user_lines as l
    where l.is_open or l.ready_cloud <> 0 or l.ready_cloud_orchestration <> 0 or l.ready_local <> 0
      or l.ready_local_orchestration <> 0 or l.active_cloud <> 0 or l.active_cloud_orchestration <> 0
      or l.active_local <> 0 or l.active_local_orchestration <> 0
  )
  select coalesce(c.user_id, s.user_id), coalesce(c.pool, s.pool), s.row_counts, c.row_counts
  from counted as c
    full join stored as s on s.user_id = c.user_id and s.pool = c.pool
  where c.row_counts is distinct from s.row_counts;

  return query
  select
    coalesce(c.user_id, s.user_id), coalesce(c.pool, s.pool),
    jsonb_build_object(coalesce(c.reason, s.reason), coalesce(s.task_count, 0)),
    jsonb_build_object(coalesce(c.reason, s.reason), coalesce(c.task_count, 0))
  from (
    select
      coalesce(t.user_id, '00000000-0000-0000-0000-000000000000') as user_id, t.pool, t.standing as reason,
      t.run_type is distinct from 'local' as is_cloud, count(*)::integer as task_count
    from public.tasks as t
    where t.standing not in ('ready', 'active')
    group by 1, 2, 3, 4
  ) as c
    full join queue.blocked_tasks as s
      on s.user_id = c.user_id and s.pool = c.pool and s.reason = c.reason and s.is_cloud = c.is_cloud
  where coalesce(c.task_count, 0) <> coalesce(s.task_count, 0);

  -- Families that are under way; the report of an orchestrator cannot be derived.
  return query
  select
    coalesce(c.user_id, s.user_id), null::text,
    to_jsonb(s) - 'changed_at' - 'enqueued_attempt', to_jsonb(c) - 'changed_at' - 'enqueued_attempt'
  from queue.recount_families(array(
    select o.id from public.tasks as o where o.standing is not null and exists (select from queue.subtasks as x where x.orchestrator_id = o.id)
    union
    select k.orchestrator_id from queue.orchestrations as k where k.ended_as is null
  )) as c
    full join (
      select k.*
      from queue.orchestrations as k
      where k.ended_as is null
        and k.open_count + k.complete_count + k.failed_count + k.cancelled_count > 0
    ) as s on s.orchestrator_id = c.orchestrator_id
  where to_jsonb(s) - 'changed_at' - 'enqueued_attempt' is distinct from to_jsonb(c) - 'changed_at' - 'enqueued_attempt'
    and (c.orchestrator_id is null or s.orchestrator_id is not null
      or c.open_count + c.complete_count + c.failed_count + c.cancelled_count > 0);

  -- Live tasks that nobody knows as the children that they are.
  return query
  select
    t.user_id, t.pool,
    (select to_jsonb(s) from queue.subtasks as s where s.task_id = t.id),
    jsonb_build_object('task_id', t.id, 'orchestrator_id', queue.parent_task_id(t.params))
  from public.tasks as t
  where t.standing is not null
    and t.user_id is not null
    and t.params ? 'orchestrator_task_id_ref'
    and queue.parent_task_id(t.params) <> t.id
    and not exists (
      select from queue.subtasks as s where s.task_id = t.id and s.orchestrator_id = queue.parent_task_id(t.params)
    );

  -- Tasks that have ended, whosever they were: what the history was counted on to, beside the tasks themselves.
  return query
  select null::uuid, null::text, jsonb_build_object(e.status, e.stored), jsonb_build_object(e.status, e.counted)
  from (
    select s.status, queue.ended_total(s.status) as stored, coalesce(c.counted, 0) as counted
    from unnest(array['Complete', 'Failed', 'Cancelled']) as s (status)
      left join (select t.status, count(*) as counted from public.tasks as t group by t.status) as c on c.status = s.status
  ) as e
  where e.stored <> e.counted;
end;
$$;

comment on function queue.drift() is
  'Derived state that is not what users and tasks add up to: owner (null for queue.status_totals), pool (null for the owner''s slots), what is stored, what was counted. No rows = no drift.';

revoke all on function queue.drift() from public, anon, authenticated, service_role;
grant execute on function queue.drift() to service_role;
