-- The same for what machines of an owner run of other pools: stale tasks and those whose type has changed, a batch at a
-- time. Call it under the user's lock.
create function queue.set_own_gpu_tasks_aside(p_caller queue.caller, p_pool text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_aside uuid[];
begin
  v_aside := array(
    select t.id
    from public.tasks as t
    where t.id = any (array(
        select l.id
        from queue.own_gpu_line(p_caller, p_pool, 500) as l
        where queue.is_stale(greatest(l.created_at, l.available_at, l.released_at), l.attempts > 0 or l.claimed_at is not null, l.params)
          or queue.is_behind_its_type(l.task_type, l.pool, l.takes_slot, l.runs_on_own_gpu, l.standing)
      ))
      and t.standing = 'ready'
    order by t.id
    for no key update skip locked
  );

  if v_aside <> '{}' then
    update public.tasks as t set pool = null where t.id = any (v_aside);
  end if;
end;
$$;

comment on function queue.set_own_gpu_tasks_aside(queue.caller, text) is
  'Derives again those of the first 500 of each of queue.own_gpu_line that have grown stale or whose type has changed.';

revoke all on function queue.set_own_gpu_tasks_aside(queue.caller, text) from public, anon, authenticated, service_role;
