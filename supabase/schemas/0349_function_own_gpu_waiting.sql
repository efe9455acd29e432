-- What waits for a reason of its own among the tasks that counts for gpu have beside the pool, by their stored standing.
create function queue.own_gpu_waiting(p_caller queue.caller, p_pool text)
returns setof queue.load_change
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- as in queue.own_gpu_line
as $$
declare
  v_most constant integer := 1000;
  v_paused text[] := (select s.paused_pools from queue.settings as s);
begin
  if p_pool is distinct from 'gpu' or p_caller.user_id is null then
    return;
  end if;

  return query
  select p_caller.user_id, p_pool, w.is_cloud, true, w.standing, sum(w.task_count)::integer
  from unnest(queue.pools()) as p (pool)
    cross join unnest(array[
      'no_run_type', 'type_inactive', 'not_yet', 'dependency_pending', 'dependency_lost', 'stale'
    ]) as s (standing)
    cross join lateral (
      select
        r.is_cloud, case when s.standing = 'stale' and p.pool = any (v_paused) then 'pool_paused' else s.standing end as standing,
        count(*) as task_count
      from (
        select t.run_type is distinct from 'local' as is_cloud
        from public.tasks as t
        where t.user_id = p_caller.user_id
          and t.pool = p.pool
          and t.standing = s.standing
          and t.runs_on_own_gpu
          and (p_caller.kind = 'token' or t.run_type = 'local')
        order by t.run_type
        limit v_most
      ) as r
      group by 1
    ) as w
  group by 3, 5;
end;
$$;

comment on function queue.own_gpu_waiting(queue.caller, text) is
  'Queued tasks of other pools that counts by this caller for gpu have beside that pool (queue.is_served_by), by the reason of their own that is stored, up to 1000 of each pool and reason.';

revoke all on function queue.own_gpu_waiting(queue.caller, text) from public, anon, authenticated, service_role;
