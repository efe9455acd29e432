-- What an autoscaler decides on, from one snapshot (the function is stable: all its queries see the same state).
create function queue.task_counts(p_caller jsonb, p_run_type text, p_include_active boolean)
returns json
language plpgsql
stable
security definer -- reads the derived state
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
as $$
declare
  v_list_limit constant integer := 100;
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_now timestamptz := queue.now();
  v_load queue.user_load_row[];
  v_queued integer;
  v_active integer;
  v_orchestrating integer;
  v_elsewhere integer;
  v_users json;
  v_next json;
  v_running json;
  v_recent json;
  v_oldest timestamptz;
  v_per_worker integer;
  v_total integer;
  v_arrivals numeric;
  v_completions numeric;
begin
  if p_run_type not in ('gpu', 'api') then
    perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The run_type must be gpu or api, not %s', p_run_type));
  end if;

  v_load := array(select l from queue.user_load(v_caller, p_run_type) as l);

  select
    coalesce(sum(u.claimable), 0), coalesce(sum(u.active), 0), coalesce(sum(u.active_orchestration), 0),
    coalesce(sum(u.active_elsewhere), 0)
  into v_queued, v_active, v_orchestrating, v_elsewhere
  from unnest(v_load) as u;

  select coalesce(json_agg(json_build_object(
    'user_id', u.user_id,
    'queued_tasks', u.claimable,
    'ready_tasks', u.ready,
    'in_progress_tasks', u.running,
    'task_limit', u.task_limit,
    'at_limit', u.running >= u.task_limit,
    'blocked_by', u.reason
  )), '[]')
  into v_users
  from (
    select l.*
    from unnest(v_load) as l
    where l.ready > 0 or l.active > 0
    order by l.claimable desc, l.ready desc, l.user_id
    limit v_list_limit
  ) as u;

  select
    coalesce(json_agg(json_build_object(
      'task_id', t.id, 'task_type', t.task_type, 'user_id', t.user_id, 'created_at', t.created_at
    )), '[]'),
    min(t.created_at)
  into v_next, v_oldest
  from queue.next_tasks(v_caller, p_run_type, v_list_limit, v_load) as t;

  select
    coalesce(json_agg(json_strip_nulls(json_build_object(
      'task_id', t.id, 'task_type', t.task_type, 'worker_id', t.worker_id,
      'started_at', coalesce(t.generation_started_at, t.claimed_at, t.updated_at, t.created_at)
    ))), '[]'),
    coalesce(json_agg(json_build_object(
      'task_id', t.id, 'status', t.status, 'is_cloud', t.token_id is null
    )), '[]')
  into v_running, v_recent
  from (
    select r.*
    from public.tasks as r
    where r.status = 'In Progress'
      and (p_run_type is null or r.pool = p_run_type)
      and (v_caller.user_id is null or r.user_id = v_caller.user_id)
    order by r.worker_id
    limit v_list_limit
  ) as t;

  select case p_run_type when 'gpu' then s.gpu_tasks_per_worker when 'api' then s.api_tasks_per_worker end
  into v_per_worker
  from queue.settings as s;

  -- The fleet's rates over the last five samples; one user's are not kept.
  select round(avg(m.arrivals), 1), round(avg(m.completions), 1)
  into v_arrivals, v_completions
  from (
    select sum(s.arrivals) as arrivals, sum(s.completions) as completions
    from queue.minute_samples as s
    where v_caller.user_id is null
      and s.sampled_at > v_now - interval '10 minutes'
      and (p_run_type is null or s.pool = p_run_type)
    group by s.sampled_at
    order by s.sampled_at desc
    limit 5
  ) as m;

  v_total := v_queued + case when coalesce(p_include_active, true) then v_active else 0 end;

  return json_build_object(
    'run_type', p_run_type,
    'totals', json_build_object(
      'queued_only', v_queued,
      'eligible_queued', v_queued,
      'active_only', v_active,
      'queued_plus_active', v_total
    ),
    'count', v_total,
    'available_tasks', v_total,
    'queued_plus_active', v_total,
    'global_task_breakdown', json_build_object(
      'in_progress_total', v_active + v_orchestrating + v_elsewhere,
      'in_progress_cloud', v_active + v_orchestrating,
      'in_progress_local', v_elsewhere,
      'orchestrator_tasks', v_orchestrating
    ),
    'blocked', queue.blocked_by_reason(v_caller, p_run_type, v_load),
    'oldest_claimable_age_seconds', extract(epoch from v_now - v_oldest),
    'users', v_users,
    'recent_tasks', v_recent,
    'queued_tasks', v_next,
    'active_tasks', v_running,
    'arrivals_per_minute', v_arrivals,
    'completions_per_minute', v_completions,
    'warnings', case when v_caller.user_id is null then queue.count_warnings(p_run_type, v_load, v_oldest) else '[]' end,
    'suggested_workers', ceil((v_queued + v_active)::numeric / v_per_worker),
    'snapshot_at', v_now
  );
end;
$$;

comment on function queue.task_counts(jsonb, text, boolean) is 'See public.task_counts.';

revoke all on function queue.task_counts(jsonb, text, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.task_counts(jsonb, text, boolean) to service_role;
