-- Ready tasks of one user that were derived before their type changed, the first of the line, a batch at a time. Call it
-- under the user's lock.
create function queue.set_tasks_of_changed_types_aside(p_user_id uuid, p_pool text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_behind uuid[];
begin
  v_behind := array(
    select t.id
    from public.tasks as t
    where t.id = any (array(
        select l.id
        from unnest(array['cloud', 'local']) as y (run_type)
          cross join lateral (
            select r.id, r.task_type, r.pool, r.takes_slot, r.runs_on_own_gpu, r.standing
            from public.tasks as r
            where r.user_id = p_user_id
              and r.pool = p_pool
              and r.run_type = y.run_type
              and r.standing = 'ready'
            order by r.priority desc, r.created_at, r.id
            limit 100
          ) as l
        where queue.is_behind_its_type(l.task_type, l.pool, l.takes_slot, l.runs_on_own_gpu, l.standing)
      ))
      and t.standing = 'ready'
    order by t.id
    for no key update skip locked
  );

  if v_behind <> '{}' then
    update public.tasks as t set pool = null where t.id = any (v_behind);
  end if;
end;
$$;

comment on function queue.set_tasks_of_changed_types_aside(uuid, text) is
  'Derives again those of the first 100 of the user''s lines in the pool whose type has changed.';

revoke all on function queue.set_tasks_of_changed_types_aside(uuid, text) from public, anon, authenticated, service_role;
