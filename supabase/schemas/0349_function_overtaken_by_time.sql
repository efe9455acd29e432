-- Queued tasks whose stored standing is out of date because time has passed and nothing else: due now, or grown stale.
-- Claims and the sweep put them right; who only reads takes them into account with this.
create function queue.overtaken_by_time()
returns setof queue.load_change
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_stale_before timestamptz := v_now - (select s.stale_after from queue.settings as s);
begin
  return query
  with overtaken as (
    select
      t.user_id, t.pool, t.run_type, t.takes_slot, t.standing as stood,
      -- The rule is asked where more than the time could hold the task back.
      case
        when t.dependant_on is null and (t.attempts > 0 or t.created_at >= v_stale_before) then 'ready'
        else queue.task_standing(t)
      end as stands
    from public.tasks as t
    where t.standing = 'not_yet'
      and t.available_at <= v_now
    union all
    select t.user_id, t.pool, t.run_type, t.takes_slot, t.standing, 'stale'
    from public.tasks as t
    where t.standing = 'ready'
      and t.attempts = 0
      and t.created_at < v_stale_before
      and queue.is_stale(t.created_at, t.attempts, t.params)
  )
  select o.user_id, o.pool, o.run_type = 'cloud', o.takes_slot, c.standing, sum(c.delta)::integer
  from overtaken as o
    cross join lateral (values (o.stood, -1), (o.stands, 1)) as c (standing, delta)
  group by o.user_id, o.pool, o.run_type, o.takes_slot, c.standing;
end;
$$;

comment on function queue.overtaken_by_time() is
  'By how much the derived counters are behind because only time has changed where queued tasks stand.';

revoke all on function queue.overtaken_by_time() from public, anon, authenticated, service_role;
