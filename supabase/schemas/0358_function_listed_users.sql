-- The users that a count lists: first those whose turn is next, then others with live work.
create function queue.listed_users(p_caller queue.caller, p_pool text, p_load queue.load_summary, p_turns queue.user_load_row[], p_limit integer)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_paused text[] := (select s.paused_pools from queue.settings as s);
  v_missing integer := greatest(p_limit - coalesce(cardinality(p_turns), 0), 0);
begin
  return (
    select coalesce(json_agg(u order by u.queued_tasks desc, u.ready_tasks desc, u.user_id), '[]')
    from (
      select
        t.user_id, t.claimable as queued_tasks, t.ready as ready_tasks, t.running as in_progress_tasks, t.task_limit,
        t.running >= t.task_limit as at_limit, t.reason as blocked_by
      from unnest(p_turns) as t
      union all
      (
        select o.user_id, 0, o.ready, o.running, o.task_limit, o.running >= o.task_limit, o.reason
        from (
          select a.user_id, a.ready, a.running, a.task_limit, coalesce(a.reason, case when a.ready > 0 then 'user_at_limit' end) as reason
          from unnest(p_load.apart) as a
          where a.claimable = 0
            and a.ready + a.active > 0
          union all
          -- Closed for no reason of the owner's, but with something ready: all of that is orchestration.
          select
            l.user_id, l.ready_cloud + l.ready_cloud_orchestration, s.running, s.task_limit,
            case
              when l.pool = any (v_paused) then 'pool_paused'
              else coalesce(s.cloud_reason, case when l.ready_cloud + l.ready_cloud_orchestration > 0 then 'user_at_limit' end)
            end
          from queue.user_lines as l
            join queue.user_slots as s on s.user_id = l.user_id
          where p_caller.user_id is null
            and p_load.users > p_load.owners
            and (p_pool is null or l.pool = p_pool)
            and (not l.is_open or l.pool = any (v_paused))
            and l.ready_cloud + l.ready_cloud_orchestration + l.active_cloud > 0
            and l.user_id not in (select a.user_id from unnest(p_load.apart) as a)
        ) as o
        limit v_missing
      )
    ) as u
  );
end;
$$;

comment on function queue.listed_users(queue.caller, text, queue.load_summary, queue.user_load_row[], integer) is
  'Up to p_limit users with live work as task_counts lists them: those in p_turns, then others as they come.';

revoke all on function queue.listed_users(queue.caller, text, queue.load_summary, queue.user_load_row[], integer) from public, anon, authenticated, service_role;
