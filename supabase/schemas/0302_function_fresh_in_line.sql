-- Ready tasks of a line that have not grown stale, without going through those that have, of which there may be a hundred
-- thousand: among the first of the line any, whatever keeps it fresh; behind those what was created late enough, priority
-- by priority, each one step into the index of the line.
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

comment on function queue.fresh_in_line(uuid, text, text, boolean, integer, integer) is
  'Up to p_limit ready tasks of this line that have not grown stale: of its first p_look_at any, behind those the ones that were created since queue.stale_before(), in the order of the line.';

revoke all on function queue.fresh_in_line(uuid, text, text, boolean, integer, integer) from public, anon, authenticated, service_role;
