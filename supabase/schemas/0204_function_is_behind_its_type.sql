-- A type that is switched off or changes its pool or kind concerns all of its live tasks, however many. They are derived
-- again piece by piece (queue.deferred_work); until then whoever looks at one asks this. A task that runs keeps what it was
-- handed out as until it goes back (queue.tasks_before_update).
create function queue.is_behind_its_type(
  p_task_type text, p_pool text, p_takes_slot boolean, p_runs_on_own_gpu boolean, p_standing text
)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_type public.task_types;
begin
  select y.* into v_type from public.task_types as y where y.name = p_task_type;
  if p_standing = 'active' then
    return p_takes_slot and not queue.takes_slot(p_task_type, v_type.category);
  end if;
  return p_pool is distinct from coalesce(v_type.run_type, 'gpu')
    or p_takes_slot is distinct from queue.takes_slot(p_task_type, v_type.category)
    or p_runs_on_own_gpu is distinct from coalesce(v_type.runs_on_own_gpu and v_type.run_type <> 'gpu', false)
    or (v_type.is_active is false) <> (p_standing = 'type_inactive');
end;
$$;

comment on function queue.is_behind_its_type(text, text, boolean, boolean, text) is
  'Whether a live task of this type with this pool, kind and standing was last derived before its type changed.';

revoke all on function queue.is_behind_its_type(text, text, boolean, boolean, text) from public, anon, authenticated, service_role;
