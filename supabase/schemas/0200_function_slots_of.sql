-- What a user row allows, as the user's slots keep it: the owner's half of the one rule (docs/architecture.md). Whoever
-- writes what a user may takes it from here; the task's own half is queue.task_standing.
create function queue.slots_of(
  p_user public.users, p_running integer, p_orchestrating integer, p_remembered integer
)
returns queue.user_slots
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_methods jsonb := p_user.settings #> '{ui,generationMethods}';
  v_slots queue.user_slots;
begin
  v_slots.user_id := p_user.id;
  v_slots.running := p_running;
  v_slots.orchestrating := p_orchestrating;
  v_slots.remembered := p_remembered;
  v_slots.task_limit := coalesce(p_user.max_in_progress, (select d.default_task_limit from queue.settings as d));
  v_slots.orchestration_limit := coalesce(
    p_user.max_orchestrating, (select d.default_orchestration_limit from queue.settings as d), v_slots.task_limit
  );
  -- Nothing of a deleted user starts any more while what they had goes piece by piece.
  if queue.is_being_deleted(p_user.id) then
    v_slots.task_limit := 0;
    v_slots.orchestration_limit := 0;
  end if;
  v_slots.has_credits := coalesce(p_user.credits, 0) > 0;
  v_slots.cloud_on := v_methods -> 'inCloud' is distinct from 'false';
  v_slots.local_on := v_methods -> 'onComputer' is distinct from 'false';
  v_slots.settings_malformed := coalesce(jsonb_typeof(v_methods -> 'inCloud') <> 'boolean', false)
    or coalesce(jsonb_typeof(v_methods -> 'onComputer') <> 'boolean', false);
  -- In the order in which the reasons are reported.
  v_slots.cloud_reason := case
    when not v_slots.has_credits then 'no_credits'
    when not v_slots.cloud_on then 'cloud_disabled'
    when v_slots.running >= v_slots.task_limit then 'user_at_limit'
  end;
  v_slots.local_reason := case
    when not v_slots.local_on then 'local_disabled'
    when v_slots.running >= v_slots.task_limit then 'user_at_limit'
  end;
  return v_slots;
end;
$$;

comment on function queue.slots_of(public.users, integer, integer, integer) is
  'The user_slots row that follows from a user row, the tasks that run, the orchestration that needs a worker and the starts that are remembered.';

revoke all on function queue.slots_of(public.users, integer, integer, integer) from public, anon, authenticated, service_role;
