-- Since when the oldest task waits that a claim could come to. The list of next tasks has the oldest of each user in it;
-- where the list was cut, older ones may stand behind it: those are looked for among the oldest never started.
create function queue.oldest_claimable(p_caller queue.caller, p_pool text, p_listed timestamptz, p_was_cut boolean)
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_look_at constant integer := 200;
  v_old_before timestamptz;
begin
  if not p_was_cut then
    return p_listed;
  end if;

  v_old_before := queue.stale_before();
  return least(p_listed, (
    select o.since
    from (
      select t.user_id, t.pool, t.run_type, t.takes_slot, t.runs_on_own_gpu, greatest(t.created_at, t.available_at, t.released_at) as since, t.params
      from public.tasks as t
      where t.standing = 'ready'
        and t.attempts = 0
        and t.claimed_at is null
        and greatest(t.created_at, t.available_at, t.released_at) < p_listed
      order by greatest(t.created_at, t.available_at, t.released_at)
      limit v_look_at
    ) as o
    where (
        p_pool is null or o.pool = p_pool
        or (o.runs_on_own_gpu and queue.is_served_by(p_caller, p_pool, o.pool, o.runs_on_own_gpu, o.run_type))
      )
      and o.pool <> all ((select s.paused_pools from queue.settings as s)::text[])
      and case
        when p_caller.user_id is not null then o.user_id = p_caller.user_id and exists (
          select
          from queue.user_slots as s
          where s.user_id = o.user_id
            and queue.reason_of(s, p_caller, o.run_type = 'cloud') is null
        )
        else o.run_type = 'cloud'
          and (select l.is_open and (o.takes_slot or l.orchestration_room > 0) from queue.user_lines as l where l.user_id = o.user_id and l.pool = o.pool)
      end
      -- Asked only where the answer could be yes.
      and (o.since >= v_old_before or not queue.is_stale(o.since, false, o.params))
    order by o.since
    limit 1
  ));
end;
$$;

comment on function queue.oldest_claimable(queue.caller, text, timestamptz, boolean) is
  'Since when the oldest claimable task could run: the older of the oldest in the list and, if the list was cut, of the 200 oldest tasks that were never started.';

revoke all on function queue.oldest_claimable(queue.caller, text, timestamptz, boolean) from public, anon, authenticated, service_role;
