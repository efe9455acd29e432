-- What came of a task, with what it was asked to do.
create function queue.get_task_output(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security definer -- looks up the caller's token
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task public.tasks := queue.readable_task(v_caller, p_task_id);
begin
  -- The service key speaks for any worker, and the one that has the task has its params.
  if v_caller.user_id is null then
    v_task.params := queue.without_secrets(v_task.params);
  end if;
  return json_build_object(
    'task_id', v_task.id,
    'status', v_task.status,
    'output_location', v_task.output_location,
    'public_url', case when v_task.status = 'Complete' then coalesce(v_task.file_location, v_task.output_location) end,
    'thumbnail_url', v_task.thumbnail_url,
    'error_message', v_task.error_message,
    -- Rows from before these had bounds may hold what nobody can write out.
    'result_data', case when queue.written_length(v_task.result_data, 8388608) is not null then v_task.result_data end,
    'params', case when queue.fits_a_reply(v_task.has_bounded_params, v_task.params) then v_task.params else '{}' end,
    'dependant_on', v_task.dependant_on
  );
end;
$$;

comment on function queue.get_task_output(jsonb, uuid) is 'See public.get_task_output.';

revoke all on function queue.get_task_output(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function queue.get_task_output(jsonb, uuid) to service_role;
