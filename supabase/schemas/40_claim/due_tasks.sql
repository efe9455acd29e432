-- Tasks whose time has come, released by claims and by the sweep.

-- Makes tasks ready whose available_at has come, of users who could run one now (for a token: of its owner): some 100,
-- of up to 100 owners, of each the most urgent, so that neither a user with ten thousand nor an earlier time comes
-- before a priority or a turn. Who is just being served is passed over: nobody is waited for here. Returns how many.
create function queue.release_due_tasks(p_pool text, p_caller queue.caller)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_batch constant integer := 100;
  v_now timestamptz := queue.now();
  v_owners uuid[];
  v_due uuid[];
begin
  if p_caller.user_id is null then
    v_owners := queue.owners_to_release(p_pool);
  else
    v_owners := array(
      select s.user_id from queue.user_slots as s where s.user_id = p_caller.user_id and s.local_reason is null
    );
  end if;
  if cardinality(v_owners) = 0 then
    return 0;
  end if;

  v_owners := array(
    select s.user_id from queue.user_slots as s where s.user_id = any (v_owners) order by s.user_id for no key update skip locked
  );
  v_due := array(
    select d.id
    from unnest(v_owners) as o (user_id)
      cross join unnest(case when p_caller.user_id is null then array['cloud'] else array['cloud', 'local'] end) as y (run_type)
      cross join lateral (
        select t.id
        from public.tasks as t
        where t.user_id = o.user_id
          and t.pool = p_pool
          and t.run_type = y.run_type
          and t.standing = 'not_yet'
          and t.available_at <= v_now
        order by t.priority desc, t.available_at
        limit greatest(v_batch / cardinality(v_owners), 1)
        for no key update skip locked
      ) as d
  );
  if v_owners <> '{}' then
    v_due := v_due || array(
      select t.id
      from public.tasks as t
      where t.id = any (array(
          select d.id
          from queue.own_gpu_due(p_caller, p_pool, 1000) as d
          order by d.priority desc, d.available_at
          limit v_batch
        ))
        and coalesce(t.standing, '') = 'not_yet' -- not as an index has it, for these few
      for no key update skip locked
    );
  end if;

  if cardinality(v_due) > 0 then
    perform queue.ask_standing_again(v_due);
  end if;
  return cardinality(v_due);
end;
$$;

-- Whose due tasks a claim of the fleet releases: up to 100 owners of due cloud tasks in the pool who could run one now,
-- those whose turn it is first. A task whose owner may run none waits for the sweep, and no claim looks at it twice.
-- However much is due, this stays one short look, or one step into an index for each owner who has something waiting
-- for a time.
create function queue.owners_to_release(p_pool text)
returns uuid[]
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_few constant integer := 100;
  v_now timestamptz := queue.now();
  v_due integer;
  v_owners uuid[];
begin
  select count(*), array_agg(distinct d.user_id) filter (where d.pool = p_pool and d.run_type = 'cloud')
  into v_due, v_owners
  from (
    select t.user_id, t.pool, t.run_type
    from public.tasks as t
    where t.standing = 'not_yet'
      and t.available_at <= v_now
    order by t.available_at
    limit v_few
  ) as d;

  if v_due < v_few then
    return array(
      select s.user_id from queue.user_slots as s where s.user_id = any (v_owners) and s.cloud_reason is null
    );
  end if;

  -- Many are due at once. Those who are due first may all belong to one owner, so owners are asked, in turn.
  return array(
    select s.user_id
    from queue.blocked_tasks as b
      join queue.user_slots as s on s.user_id = b.user_id
      left join queue.user_lines as l on l.user_id = b.user_id and l.pool = p_pool
    where b.pool = p_pool
      and b.reason = 'not_yet'
      and b.is_cloud
      and b.task_count > 0
      and s.cloud_reason is null
      -- In the order of the index that has it all: without an order another one may look as good to a planner.
      and (
        select true
        from public.tasks as t
        where t.user_id = b.user_id
          and t.pool = p_pool
          and t.run_type = 'cloud'
          and t.standing = 'not_yet'
          and t.available_at <= v_now
        order by t.priority desc, t.available_at
        limit 1
      )
    order by s.running + s.orchestrating + s.remembered, l.turn_at
    limit v_few
  );
end;
$$;

-- Up to p_limit ready tasks of a line that have not grown stale, in its order, without going through those that have,
-- of which there may be a hundred thousand: among the first p_look_at of the line any, whatever keeps it fresh; behind
-- those what was created since queue.stale_before(), priority by priority, each one step into the index of the line.
create function queue.fresh_in_line(
  p_user_id uuid, p_pool text, p_run_type text, p_takes_slot boolean, p_look_at integer, p_limit integer
)
returns setof uuid
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- lines are in the order of an index: no statistics may find it as good to sort all that a user has
set enable_bitmapscan = off -- which would look at all of it before it is cut
as $$
declare
  v_old_before timestamptz := queue.stale_before();
  v_priority integer := 2147483647;
  v_found uuid[];
begin
  v_found := array(
    select l.id
    from (
      select t.id, t.attempts, t.claimed_at, t.params, greatest(t.created_at, t.available_at, t.released_at) as since
      from public.tasks as t
      where t.user_id = p_user_id
        and t.pool = p_pool
        and t.run_type = p_run_type
        and t.takes_slot = p_takes_slot
        and t.standing = 'ready'
      order by t.priority desc, t.created_at, t.id
      limit p_look_at
    ) as l
    where l.attempts > 0
      or l.since >= v_old_before
      or not queue.is_stale(l.since, l.attempts > 0 or l.claimed_at is not null, l.params)
    limit p_limit
  );

  while cardinality(v_found) < p_limit loop
    select t.priority
    into v_priority
    from public.tasks as t
    where t.user_id = p_user_id
      and t.pool = p_pool
      and t.run_type = p_run_type
      and t.takes_slot = p_takes_slot
      and t.standing = 'ready'
      and t.priority <= v_priority
    order by t.priority desc, t.created_at, t.id
    limit 1;
    exit when v_priority is null;

    v_found := v_found || array(
      select t.id
      from public.tasks as t
      where t.user_id = p_user_id
        and t.pool = p_pool
        and t.run_type = p_run_type
        and t.takes_slot = p_takes_slot
        and t.standing = 'ready'
        and t.priority = v_priority
        and t.created_at >= v_old_before
        and t.id <> all (v_found)
      order by t.created_at, t.id
      limit p_limit - cardinality(v_found)
    );
    exit when v_priority = -2147483648;
    v_priority := v_priority - 1;
  end loop;
  return query select f.id from unnest(v_found) as f (id);
end;
$$;
