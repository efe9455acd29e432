-- A child that was cancelled because another one took its place, and that one is gone.
create function queue.put_back_part(p_task_id uuid, p_gone uuid)
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
  perform queue.say(queue.actor(), pg_catalog.format('put back: task %s, which had replaced it, was deleted', p_gone));
  update public.tasks as t
  set status = 'Queued',
    requeue_count = t.requeue_count + 1,
    max_attempts = case
      when t.attempts >= queue.starts_allowed(t) then t.attempts + queue.max_attempts(t.task_type)
      else t.max_attempts
    end,
    error_message = null,
    output_location = null,
    -- What it waited for may have been replaced, or put back, meanwhile.
    dependant_on = coalesce(
      (
        select d.depends_on
        from queue.task_dependencies as d
        where d.task_id = t.id
        order by d.depends_on = t.dependant_on desc, d.depends_on
        limit 1
      ),
      t.dependant_on
    )
  where t.id = p_task_id;
  -- Whoever waits for it had lost it.
  perform queue.settle_dependants(array[p_task_id]);
  perform queue.say(v_actor, v_reason, nullif(v_details, '')::jsonb);
end;
$$;

comment on function queue.put_back_part(uuid, uuid) is
  'Queues a cancelled child again whose replacement was deleted.';

revoke all on function queue.put_back_part(uuid, uuid) from public, anon, authenticated, service_role;
