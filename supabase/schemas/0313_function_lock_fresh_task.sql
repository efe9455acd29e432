-- The first task of a user's lines that is not held by somebody, has not grown stale and is not behind its type, locked:
-- where the head is one of these. A few are looked at, then a thousand of each line, whatever keeps them fresh; then what
-- was created late enough, priority by priority, so that a hundred thousand stale tasks are not gone through to find one
-- that is not. Not so behind a changed type: the next claim sets the next batch aside. Call it under the user's lock.
create function queue.lock_fresh_task(
  p_user_id uuid, p_pool text, p_run_types text[], p_kinds boolean[], p_affinity queue.affinity, p_only_suited boolean,
  p_is_behind boolean
)
returns uuid
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_most_priorities constant integer := 1000; -- create-task knows twice as many, the column more
  v_old_before timestamptz := queue.stale_before();
  v_look_at integer;
  v_candidate uuid;
  v_priority integer := 2147483647;
  v_task_id uuid;
begin
  foreach v_look_at in array array[10, 1000] loop
    for v_candidate in
      select c.id
      from unnest(p_run_types) as y (run_type)
        cross join unnest(p_kinds) as k (takes_slot)
        cross join lateral (
          select l.*
          from (
            select t.*
            from public.tasks as t
            where t.user_id = p_user_id
              and t.pool = p_pool
              and t.run_type = y.run_type
              and t.takes_slot = k.takes_slot
              and t.standing = 'ready'
            order by t.priority desc, t.created_at, t.id
            limit v_look_at
          ) as l
          where (
              not p_only_suited or not l.takes_slot or l.model is null
              or l.model = p_affinity.model or l.created_at < p_affinity.waited_since
            )
            and not queue.is_stale(greatest(l.created_at, l.available_at, l.released_at), l.attempts > 0 or l.claimed_at is not null, l.params)
            and queue.fits_a_reply(l.has_bounded_params, l.params)
            and (not p_is_behind or not queue.is_behind_its_type(l.task_type, l.pool, l.takes_slot, l.runs_on_own_gpu, l.standing))
        ) as c
      order by c.priority desc, c.created_at, c.id
    loop
      select t.id into v_task_id from public.tasks as t where t.id = v_candidate and t.standing = 'ready' for no key update skip locked;
      if v_task_id is not null then
        return v_task_id;
      end if;
    end loop;
  end loop;

  -- What suits is preferred, and not looked for through all else.
  for v_step in 1..case when p_only_suited or p_is_behind then 0 else v_most_priorities end loop
    select h.priority
    into v_priority
    from unnest(p_run_types) as y (run_type)
      cross join unnest(p_kinds) as k (takes_slot)
      cross join lateral (
        select t.priority
        from public.tasks as t
        where t.user_id = p_user_id
          and t.pool = p_pool
          and t.run_type = y.run_type
          and t.takes_slot = k.takes_slot
          and t.standing = 'ready'
          and t.priority <= v_priority
        order by t.priority desc, t.created_at, t.id
        limit 1
      ) as h
    order by h.priority desc
    limit 1;
    exit when v_priority is null;

    select c.id
    into v_task_id
    from unnest(p_run_types) as y (run_type)
      cross join unnest(p_kinds) as k (takes_slot)
      cross join lateral (
        select t.id, t.created_at
        from public.tasks as t
        where t.user_id = p_user_id
          and t.pool = p_pool
          and t.run_type = y.run_type
          and t.takes_slot = k.takes_slot
          and t.standing = 'ready'
          and t.priority = v_priority
          and t.created_at >= v_old_before
          and queue.fits_a_reply(t.has_bounded_params, t.params)
        order by t.created_at, t.id
        limit 1
        for no key update skip locked
      ) as c
    order by c.created_at, c.id
    limit 1;
    if v_task_id is not null or v_priority = -2147483648 then
      return v_task_id;
    end if;
    v_priority := v_priority - 1;
  end loop;
  return null;
end;
$$;

comment on function queue.lock_fresh_task(uuid, text, text[], boolean[], queue.affinity, boolean, boolean) is
  'Locks the first task of these lines of the user that nobody holds, that is not stale, with p_is_behind not behind its type, and, if asked for, suits the affinity; returns its id. Of each line the first thousand are looked at; behind those, unless it has to suit or types have changed, what was created since queue.stale_before(), of up to a thousand priorities.';

revoke all on function queue.lock_fresh_task(uuid, text, text[], boolean[], queue.affinity, boolean, boolean) from public, anon, authenticated, service_role;
