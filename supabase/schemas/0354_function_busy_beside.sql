-- What keeps machines busy beside the tasks that take a slot: orchestrators that have not enqueued everything yet (the
-- others only wait for their children), and starts that others ended under machines that have not let go yet. Without
-- these an autoscaler would stop machines at work.
create function queue.busy_beside(p_caller queue.caller, p_pool text, p_load queue.load_summary)
returns integer
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_most constant integer := 1000;
  v_own boolean := p_caller.user_id is not null;
  v_orchestrating integer := 0;
  v_held integer;
begin
  -- Not looked for where the sums know of none.
  if p_load.active_orchestration > 0 then
    with kind as (
      -- The owner's places say how many still need a worker, over all pools and whoever runs them.
      select
        l.user_id,
        sum(case when p_pool is null or l.pool = p_pool then l.active_cloud_orchestration + case when v_own then l.active_local_orchestration else 0 end else 0 end) as here,
        sum(l.active_cloud_orchestration + l.active_local_orchestration) as everywhere,
        min(s.orchestrating) as orchestrating
      from queue.user_lines as l
        join queue.user_slots as s on s.user_id = l.user_id
      where l.active_cloud_orchestration + l.active_local_orchestration > 0
        and s.orchestrating > 0
        and (not v_own or l.user_id = p_caller.user_id)
      group by l.user_id
    ),
    working as (
      select
        k.user_id, k.here, k.everywhere,
        k.orchestrating - (
          select count(*) from queue.held_slots as h where h.user_id = k.user_id and h.let_go_at is null and not h.takes_slot
        ) as orchestrating
      from kind as k
      where k.here > 0
    ),
    -- Looked at only for an owner who has some here, some elsewhere, and only some that wait.
    waiting as materialized (
      select t.user_id
      from (select h.orchestrator_id from queue.handovers as h limit v_most) as h
        join public.tasks as t on t.id = h.orchestrator_id
      where (p_pool is null or t.pool = p_pool)
        and (v_own or t.token_id is null)
    )
    select coalesce(sum(
      case
        when w.here = w.everywhere or w.orchestrating in (0, w.everywhere) then least(w.here, w.orchestrating)
        else least(w.here - (select count(*) from waiting as h where h.user_id = w.user_id), w.orchestrating)
      end
    ), 0)
    into v_orchestrating
    from working as w;
  end if;

  select count(*)
  into v_held
  from queue.held_slots as h
  where h.let_go_at is null
    and (
      p_pool is null or h.pool = p_pool
      or (v_own and (
        select queue.is_served_by(p_caller, p_pool, t.pool, t.runs_on_own_gpu, t.run_type) from public.tasks as t where t.id = h.task_id
      ))
    )
    and (v_own or h.token_id is null)
    and (not v_own or h.user_id = p_caller.user_id);
  return greatest(v_orchestrating, 0) + v_held;
end;
$$;

comment on function queue.busy_beside(queue.caller, text, queue.load_summary) is
  'How many machines are busy with what task_counts() does not count under active_only: orchestrators that still need a worker, and ended starts whose holders have not let go.';

revoke all on function queue.busy_beside(queue.caller, text, queue.load_summary) from public, anon, authenticated, service_role;
