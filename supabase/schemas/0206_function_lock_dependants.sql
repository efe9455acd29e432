-- The queued tasks that wait for these, locked in the order of their ids.
create function queue.lock_dependants(p_task_ids uuid[])
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return (
    select array_agg(w.id)
    from (
      select t.id
      from public.tasks as t
      where t.status = 'Queued'
        and t.id in (select d.task_id from queue.task_dependencies as d where d.depends_on = any (p_task_ids))
      order by t.id
      for no key update
    ) as w
  );
end;
$$;

comment on function queue.lock_dependants(uuid[]) is 'Locks the queued tasks that depend on these and returns their ids; null for none.';

revoke all on function queue.lock_dependants(uuid[]) from public, anon, authenticated, service_role;
