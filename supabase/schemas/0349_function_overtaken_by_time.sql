-- Queued tasks whose stored standing is out of date because time has passed and nothing else: due now, or grown stale.
-- Claims and the sweep put them right; who only reads takes them into account with this.
-- When very many are due at once, it takes some of each owner's: the sweep puts the rest right.
create function queue.overtaken_by_time(p_user_id uuid)
returns setof queue.load_change
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_many constant integer := 1000;
  v_per_line integer;
  v_now timestamptz := queue.now();
  v_stale_before timestamptz := queue.stale_before();
begin
  if p_user_id is null then
    -- As many as nearly always are due can be looked at in the order of their time.
    perform
    from public.tasks as t
    where t.standing = 'not_yet'
      and t.available_at <= v_now
    order by t.available_at
    offset v_many
    limit 1;
    if found then
      select greatest(v_many / greatest(count(*), 1), 10)
      into v_per_line
      from queue.blocked_tasks as b
      where b.reason = 'not_yet'
        and b.task_count > 0;
    end if;
  else
    v_per_line := v_many;
  end if;

  return query
  with due as (
    select t as task
    from public.tasks as t
    where v_per_line is null
      and t.standing = 'not_yet'
      and t.available_at <= v_now
    union all
    select d.task
    from queue.blocked_tasks as b
      cross join lateral (
        select q as task
        from public.tasks as q
        where q.user_id = b.user_id
          and q.pool = b.pool
          and q.run_type = case when b.is_cloud then 'cloud' else 'local' end
          and q.standing = 'not_yet'
          and q.available_at <= v_now
        order by q.priority desc, q.available_at
        limit v_per_line
      ) as d
    where v_per_line is not null
      and b.reason = 'not_yet'
      and b.task_count > 0
      and (p_user_id is null or b.user_id = p_user_id)
  ),
  overtaken as (
    select
      (d.task).user_id, (d.task).pool, (d.task).run_type, (d.task).takes_slot, (d.task).standing as stood,
      -- The rule is asked where more than the time could hold the task back.
      case
        when (d.task).dependant_on is null and (
          (d.task).attempts > 0 or greatest((d.task).created_at, (d.task).available_at, (d.task).released_at) >= v_stale_before
        ) then 'ready'
        else queue.task_standing(d.task)
      end as stands
    from due as d
    union all
    select t.user_id, t.pool, t.run_type, t.takes_slot, t.standing, 'stale'
    from public.tasks as t
    where t.standing = 'ready'
      and t.attempts = 0
      and t.claimed_at is null
      and greatest(t.created_at, t.available_at, t.released_at) < v_stale_before
      and (p_user_id is null or t.user_id = p_user_id)
      and queue.is_stale(greatest(t.created_at, t.available_at, t.released_at), t.attempts > 0 or t.claimed_at is not null, t.params)
  )
  select o.user_id, o.pool, o.run_type = 'cloud', o.takes_slot, c.standing, sum(c.delta)::integer
  from overtaken as o
    cross join lateral (values (o.stood, -1), (o.stands, 1)) as c (standing, delta)
  group by o.user_id, o.pool, o.run_type, o.takes_slot, c.standing;
end;
$$;

comment on function queue.overtaken_by_time(uuid) is
  'By how much the derived counters are behind because only time has changed where queued tasks stand; of one owner, or of all (null). Of a thousand due tasks and more, some of each owner.';

revoke all on function queue.overtaken_by_time(uuid) from public, anon, authenticated, service_role;
