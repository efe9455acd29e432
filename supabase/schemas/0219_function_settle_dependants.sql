-- Tasks that waited for tasks that are Complete now. They are locked before they are looked at, so that of two
-- dependencies that end at the same time the second one sees the first.
create function queue.settle_dependants(p_task_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_waiting uuid[] := array(
    select d.task_id from queue.task_dependencies as d where d.depends_on = any (p_task_ids)
  );
begin
  if cardinality(v_waiting) = 0 then
    return;
  end if;

  perform
  from public.tasks as t
  where t.id = any (v_waiting)
    and t.status = 'Queued'
  order by t.id
  for no key update;
  perform queue.ask_standing_again(v_waiting);
end;
$$;

comment on function queue.settle_dependants(uuid[]) is
  'Works out again where the tasks stand that depend on these, which are Complete now.';

revoke all on function queue.settle_dependants(uuid[]) from public, anon, authenticated, service_role;
