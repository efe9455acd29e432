-- What counts for gpu have beside the counters of the pool: those are of the pool's own tasks, which the fleet runs. These
-- are counted as they are, up to a bound in each line; what only time or a change of type has overtaken stands where it
-- stands now.
create function queue.own_gpu_load(p_caller queue.caller, p_pool text)
returns setof queue.load_change
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- as in queue.own_gpu_line
as $$
declare
  v_most constant integer := 1000;
  v_old_before timestamptz;
  v_is_behind boolean;
  v_paused text[];
begin
  -- Most users have none.
  if p_pool is distinct from 'gpu' or p_caller.user_id is null or (
    select true
    from public.tasks as t
    where t.user_id = p_caller.user_id
      and t.runs_on_own_gpu
      and t.standing is not null
    order by t.pool, t.standing
    limit 1
  ) is null then
    return;
  end if;
  v_old_before := queue.stale_before();
  v_is_behind := exists (select from queue.deferred_work as w where w.task_type is not null);
  v_paused := (select s.paused_pools from queue.settings as s);

  return query
  with found as (
    select
      t.run_type,
      case
        when v_is_behind and queue.is_behind_its_type(t.task_type, t.pool, t.takes_slot, t.runs_on_own_gpu, t.standing) then
          case when (select not y.is_active from public.task_types as y where y.name = t.task_type) then 'type_inactive' end
        when l.is_paused then 'pool_paused'
        when t.attempts = 0 and greatest(t.created_at, t.available_at, t.released_at) < v_old_before
          and queue.is_stale(greatest(t.created_at, t.available_at, t.released_at), t.claimed_at is not null, t.params)
          then 'stale'
        else 'ready'
      end as standing,
      1 as delta
    from unnest(array[false, true]) as l (is_paused)
      cross join lateral queue.own_gpu_line(p_caller, p_pool, v_most, l.is_paused) as t
    union all
    select d.run_type, c.standing, c.delta
    from queue.own_gpu_due(p_caller, p_pool, v_most) as d
      cross join lateral queue.task_standing(d) as s (standing)
      cross join lateral (
        values
          ('not_yet', -1),
          (case when s.standing in ('ready', 'stale') and d.pool = any (v_paused) then 'pool_paused' else s.standing end, 1)
      ) as c (standing, delta)
    union all
    select r.run_type, 'active', 1
    from unnest(queue.pools()) as p (pool)
      cross join lateral (
        select t.run_type
        from public.tasks as t
        where t.user_id = p_caller.user_id
          and t.pool = p.pool
          and t.standing = 'active'
          and t.runs_on_own_gpu
          and (p_caller.kind = 'token' or t.run_type = 'local')
        order by t.run_type
        limit v_most
      ) as r
  )
  select p_caller.user_id, p_pool, f.run_type is distinct from 'local', true, f.standing, sum(f.delta)::integer
  from found as f
  where f.standing is not null
  group by 3, 5;
end;
$$;

comment on function queue.own_gpu_load(queue.caller, text) is
  'What counts by this caller for gpu have beside the counters of that pool: ready and active tasks of other pools (queue.is_served_by), up to 1000 of each pool and run type, and those whose stored standing time or their type has overtaken. queue.own_gpu_waiting has the rest.';

revoke all on function queue.own_gpu_load(queue.caller, text) from public, anon, authenticated, service_role;
