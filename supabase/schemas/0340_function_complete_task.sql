-- Completes a task exactly once (docs/architecture.md, "Endings"). Result, record, history, counters and dependants
-- are one transaction; a repeat changes nothing and answers what is stored.
create function queue.complete_task(
  p_caller jsonb,
  p_task_id uuid,
  p_output_location text,
  p_thumbnail_url text,
  p_result_data jsonb,
  p_lease_token uuid,
  p_description text,
  p_may_describe boolean default false
)
returns json
language plpgsql
volatile
security definer -- the queue's own path to Complete
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task public.tasks := queue.lock_task_for(v_caller, p_task_id, 'Complete');
  v_is_late boolean := v_task.status = 'Queued';
  -- A JSON object beside the file, or after it: what deployed workers have to say of a transition (docs/fleet.md).
  v_has_description boolean := queue.json_object_of(p_description) is not null;
  v_late_text text := case when v_has_description then p_description when p_may_describe then p_output_location end;
  v_late_file text;
begin
  if p_lease_token is not null then
    perform queue.refuse_stale_lease(v_task, p_lease_token);
  end if;

  if v_task.status = 'In Progress' or (v_task.status = 'Queued' and v_task.claimed_at is not null) then
    perform queue.say(
      queue.caller_name(v_caller),
      case
        when v_task.status = 'Queued' then 'completed late, after the task was taken back'
        when p_output_location is null then 'completed without an output'
      end
    );
    if queue.is_holder(v_caller, v_task) then
      perform queue.ends_itself(v_task.id);
    end if;
    update public.tasks as t
    set status = 'Complete',
      output_location = case when v_has_description then p_description else p_output_location end,
      file_location = case when v_has_description then p_output_location end,
      thumbnail_url = coalesce(p_thumbnail_url, t.thumbnail_url),
      result_data = coalesce(p_result_data, t.result_data),
      error_message = null
    where t.id = v_task.id
    returning t.* into v_task;
    perform queue.ends_itself(null);
    perform queue.say(null);
    if v_is_late then
      perform queue.let_go_by_report(v_caller, v_task.id);
    end if;
    return queue.task_reply(v_task);
  end if;

  if v_task.status = 'Queued' or (p_lease_token is not null and v_task.status <> 'Complete') then
    perform queue.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s and cannot become Complete', v_task.id, v_task.status),
      case when v_task.status = 'Queued' then 'Claim it first' else 'Drop this task; its end is final' end
    );
  end if;

  -- The file is there and not described yet; it must be that very file that the text is about.
  if v_task.status = 'Complete' and v_task.file_location is null and queue.is_holder(v_caller, v_task)
    and queue.json_object_of(v_late_text) is not null
    and queue.own_file(v_task.output_location, v_task.user_id, v_task.id) is not null then
    v_late_file := case
      when v_has_description then p_output_location
      else coalesce(
        queue.described_file(queue.json_object_of(v_late_text), v_task.user_id, v_task.id), v_task.output_location
      )
    end;
    if queue.own_file(v_late_file, v_task.user_id, v_task.id) = queue.own_file(v_task.output_location, v_task.user_id, v_task.id) then
      perform queue.record_report(v_task, v_caller, 'the result was described');
      update public.tasks as t
      set output_location = v_late_text, file_location = v_task.output_location
      where t.id = v_task.id
      returning t.* into v_task;
      return queue.task_reply(v_task);
    end if;
  end if;

  perform queue.let_go_by_report(v_caller, v_task.id);
  -- Deployed workers cannot be told apart and repeat themselves by design: they get their 200, the history knows.
  perform queue.record_report(
    v_task, v_caller,
    case v_task.status when 'Complete' then 'completed again, the first result stays' else 'completed after its end, not resurrected' end,
    json_strip_nulls(json_build_object('output_location', queue.cut_ends(p_output_location)))::jsonb
  );
  return queue.task_reply(v_task);
end;
$$;

comment on function queue.complete_task(jsonb, uuid, text, text, jsonb, uuid, text, boolean) is 'See public.complete_task.';

revoke all on function queue.complete_task(jsonb, uuid, text, text, jsonb, uuid, text, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.complete_task(jsonb, uuid, text, text, jsonb, uuid, text, boolean) to service_role;
