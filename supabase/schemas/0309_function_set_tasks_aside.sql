-- Ready tasks of one user that have grown stale, or that were derived before their type changed, a batch at a time, among the
-- first of each line: that is where they are in a claim's way, and the rest of a long line is not gone through to find them.
-- Call it under the user's lock.
create function queue.set_tasks_aside(p_caller queue.caller, p_user_id uuid, p_pool text, p_is_behind boolean)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_most constant integer := 100;
  v_aside uuid[];
begin
  v_aside := array(
    select t.id
    from public.tasks as t
    where t.id = any (array(
        select l.id
        from (
          select r.*
          from unnest(array['cloud', 'local']) as y (run_type)
            cross join unnest(array[true, false]) as k (takes_slot)
            cross join lateral (
              select h.*
              from public.tasks as h
              where h.user_id = p_user_id
                and h.pool = p_pool
                and h.run_type = y.run_type
                and h.takes_slot = k.takes_slot
                and h.standing = 'ready'
              order by h.priority desc, h.created_at, h.id
              limit v_most
            ) as r
          union all
          select o.* from queue.own_gpu_line(p_caller, p_pool, v_most) as o
        ) as l
        where queue.is_stale(greatest(l.created_at, l.available_at, l.released_at), l.attempts > 0 or l.claimed_at is not null, l.params)
          or p_is_behind and queue.is_behind_its_type(l.task_type, l.pool, l.takes_slot, l.runs_on_own_gpu, l.standing)
        limit v_most
      ))
      -- Not as the indexes of lines say it: one of them might be gone through for these few.
      and coalesce(t.standing, '') = 'ready'
    order by t.id
    for no key update skip locked
  );

  if v_aside <> '{}' then
    update public.tasks as t set pool = null where t.id = any (v_aside);
  end if;
end;
$$;

comment on function queue.set_tasks_aside(queue.caller, uuid, text, boolean) is
  'Derives again up to 100 of the user''s ready tasks in the pool, and of those that this caller''s claims for it come to beside it (queue.own_gpu_line), that have grown stale or, with p_is_behind, whose type has changed, among the first 100 of each line.';

revoke all on function queue.set_tasks_aside(queue.caller, uuid, text, boolean) from public, anon, authenticated, service_role;
