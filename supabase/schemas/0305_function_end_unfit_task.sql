-- Ends a queued task whose params are too large to be handed out: it would hold up everything behind it, for ever. What
-- cannot be written out leaves the row, too: every list of its owner's tasks would stop at it. Called while no user is
-- locked, because an end locks tasks first; what somebody else holds is left for a later claim.
create function queue.end_unfit_task(p_task_id uuid)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_timeout text := current_setting('lock_timeout');
  v_reason constant text := 'Its params are too large to be handed out: written out, they have more than 8388608 characters';
begin
  perform set_config('lock_timeout', '200ms', true);
  perform queue.lock_relatives(p_task_id, 'Failed');
  perform queue.say('queue', v_reason);
  update public.tasks as t
  set status = 'Failed',
    error_message = v_reason,
    output_location = v_reason,
    params = jsonb_strip_nulls(jsonb_build_object(
      'params_too_large', pg_column_size(t.params),
      'orchestrator_task_id_ref', queue.parent_task_id(t.params)
    ))
  where t.id = p_task_id
    and t.status = 'Queued'
    and not queue.fits_a_reply(t.has_bounded_params, t.params);
  perform queue.say(null);
  perform set_config('lock_timeout', v_timeout, true);
  return true;
exception
  when lock_not_available or deadlock_detected then
    return false;
end;
$$;

comment on function queue.end_unfit_task(uuid) is
  'Ends a queued task Failed when its params do not fit a reply, and puts how many bytes they were stored in in their place; false when somebody else holds what has to be locked.';

revoke all on function queue.end_unfit_task(uuid) from public, anon, authenticated, service_role;
