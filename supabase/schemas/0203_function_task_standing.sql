-- The task's half of the one rule (docs/architecture.md): where a live task stands. The reasons are asked in the
-- order in which they are reported; reasons of the owner stand between them and are in queue.user_slots.
create function queue.task_standing(p_task public.tasks)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_is_active boolean;
begin
  if p_task.status = 'In Progress' then
    return 'active';
  elsif p_task.status <> 'Queued' then
    return null;
  elsif p_task.user_id is null then
    return 'no_owner';
  elsif p_task.run_type is null then
    return 'no_run_type';
  end if;

  select y.is_active into v_is_active
  from public.task_types as y
  where y.name = p_task.task_type;

  if not v_is_active then
    return 'type_inactive';
  elsif p_task.available_at > queue.now() then
    return 'not_yet';
  end if;

  return coalesce(
    case when p_task.dependant_on is not null
      then queue.dependency_state(p_task.id, p_task.dependant_on, p_task.user_id)
    end,
    case when queue.is_stale(greatest(p_task.created_at, p_task.available_at, p_task.released_at), p_task.attempts > 0 or p_task.claimed_at is not null, p_task.params) then 'stale' end,
    'ready'
  );
end;
$$;

comment on function queue.task_standing(public.tasks) is
  'Where a live task stands: active, ready, or why it waits: no_owner, no_run_type, type_inactive, not_yet, dependency_pending, dependency_lost, stale. Null for a finished task.';

revoke all on function queue.task_standing(public.tasks) from public, anon, authenticated, service_role;
