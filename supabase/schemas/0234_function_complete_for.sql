-- Completes a task with what another one made.
create function queue.complete_for(p_task_id uuid, p_source public.tasks, p_reason text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_actor text := current_setting('queue.actor', true);
  v_reason text := current_setting('queue.reason', true);
  v_details text := current_setting('queue.details', true);
begin
  perform queue.say(queue.actor(), p_reason, jsonb_build_object('result_of', p_source.id));
  update public.tasks as t
  set status = 'Complete',
    output_location = p_source.output_location,
    file_location = p_source.file_location,
    thumbnail_url = coalesce(p_source.thumbnail_url, t.thumbnail_url),
    error_message = null
  where t.id = p_task_id;
  perform queue.say(v_actor, v_reason, nullif(v_details, '')::jsonb);
end;
$$;

comment on function queue.complete_for(uuid, public.tasks, text) is
  'Completes a task with the output and thumbnail of another one, and says why in the history.';

revoke all on function queue.complete_for(uuid, public.tasks, text) from public, anon, authenticated, service_role;
