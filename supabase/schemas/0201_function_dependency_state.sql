-- Whether a task's dependencies let it run. Only tasks of the same owner count as there: to depend on somebody
-- else's task is to depend on a missing one. Who calls this makes sure that no end is missed in between
-- (tasks_after_insert, settle_dependants).
create function queue.dependency_state(p_task_id uuid, p_dependant_on uuid, p_user_id uuid)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_wanted uuid[];
  v_found integer := 0;
  v_complete integer := 0;
  v_lost integer := 0;
begin
  select array_agg(w.id)
  into v_wanted
  from (
    select d.depends_on as id from queue.task_dependencies as d where d.task_id = p_task_id
    union
    select p_dependant_on where p_dependant_on is not null
  ) as w;

  if v_wanted is null then
    return null;
  end if;

  select
    count(*),
    count(*) filter (where t.status = 'Complete'),
    count(*) filter (where t.status in ('Failed', 'Cancelled'))
  into v_found, v_complete, v_lost
  from public.tasks as t
  where t.id = any (v_wanted)
    and t.user_id is not distinct from p_user_id;

  return case
    when v_complete + v_lost < v_found then 'dependency_pending'
    when v_complete < cardinality(v_wanted) then 'dependency_lost'
  end;
end;
$$;

comment on function queue.dependency_state(uuid, uuid, uuid) is
  'dependency_pending (one is still to end), dependency_lost (all ended, but one failed, was cancelled or is missing) or null (none in the way).';

revoke all on function queue.dependency_state(uuid, uuid, uuid) from public, anon, authenticated, service_role;
