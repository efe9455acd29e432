-- What a user row allows, as the user's slots keep it. The users trigger, drift and reconcile share it.
create function queue.slots_of(p_user public.users, p_running integer)
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
  v_slots.task_limit := coalesce(p_user.max_in_progress, (select d.default_task_limit from queue.settings as d));
  v_slots.has_credits := coalesce(p_user.credits, 0) > 0;
  v_slots.cloud_on := v_methods -> 'inCloud' is distinct from 'false';
  v_slots.local_on := v_methods -> 'onComputer' is distinct from 'false';
  v_slots.settings_malformed := coalesce(jsonb_typeof(v_methods -> 'inCloud') <> 'boolean', false)
    or coalesce(jsonb_typeof(v_methods -> 'onComputer') <> 'boolean', false);
  return v_slots;
end;
$$;

comment on function queue.slots_of(public.users, integer) is
  'The user_slots row that follows from a user row and the number of tasks that run.';

revoke all on function queue.slots_of(public.users, integer) from public, anon, authenticated, service_role;
