-- Ready tasks of one user that have grown stale, a batch at a time, among the first of the lines: that is where they are in
-- a claim's way, and the rest of a long line is not gone through to find them. Call it under the user's lock.
create function queue.set_stale_tasks_aside(p_user_id uuid, p_pool text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_stale uuid[];
begin
  select array_agg(s.id)
  into v_stale
  from (
    select t.id
    from public.tasks as t
    where t.id = any (array(
        select l.id
        from unnest(array['cloud', 'local']) as y (run_type)
          cross join unnest(array[true, false]) as k (takes_slot)
          cross join lateral (
            select r.*
            from public.tasks as r
            where r.user_id = p_user_id
              and r.pool = p_pool
              and r.run_type = y.run_type
              and r.takes_slot = k.takes_slot
              and r.standing = 'ready'
            order by r.priority desc, r.created_at, r.id
            limit 100
          ) as l
        where queue.is_stale(greatest(l.created_at, l.available_at, l.released_at), l.attempts > 0 or l.claimed_at is not null, l.params)
        limit 100
      ))
      -- Not as the indexes of lines say it: one of them might be gone through for these few.
      and coalesce(t.standing, '') = 'ready'
    for no key update skip locked
  ) as s;

  if v_stale is not null then
    perform queue.ask_standing_again(v_stale);
  end if;
end;
$$;

comment on function queue.set_stale_tasks_aside(uuid, text) is
  'Up to 100 of the user''s ready tasks in the pool that have grown stale, among the first 100 of each line, no longer stand ready.';

revoke all on function queue.set_stale_tasks_aside(uuid, text) from public, anon, authenticated, service_role;
