-- A direct change of dependant_on: what the queue goes by is in queue.task_dependencies, and follows. Its own functions
-- have written there already. The caller holds the owners' locks.
create function queue.follow_dependencies(p_task_ids uuid[], p_were uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_changed uuid[];
begin
  with gone as (
    delete from queue.task_dependencies as d
    using unnest(p_task_ids, p_were) as w (task_id, was)
    where d.task_id = w.task_id
      and d.depends_on = w.was
      and d.depends_on is distinct from (select t.dependant_on from public.tasks as t where t.id = d.task_id)
    returning d.task_id
  ),
  come as (
    insert into queue.task_dependencies (task_id, depends_on)
    select t.id, t.dependant_on
    from public.tasks as t
    where t.id = any (p_task_ids)
      and t.dependant_on is not null
    on conflict do nothing
    returning task_id
  )
  select array_agg(distinct c.task_id)
  into v_changed
  from (select g.task_id from gone as g union all select n.task_id from come as n) as c;

  if v_changed is not null then
    perform queue.refuse_cycles(v_changed);
    perform queue.ask_standing_again(v_changed);
  end if;
end;
$$;

comment on function queue.follow_dependencies(uuid[], uuid[]) is
  'Records what these tasks depend on after dependant_on of them was changed (p_were: what it was), and works out again where they stand. Call it under the owners'' locks.';

revoke all on function queue.follow_dependencies(uuid[], uuid[]) from public, anon, authenticated, service_role;
