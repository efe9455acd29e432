-- Ends live tasks because of others: Failed or Cancelled, each with its own words. What the history says of the change
-- that is the cause must not be said of them, so it is put aside for a moment.
create function queue.end_tasks(p_ends queue.task_end[])
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
  perform queue.say(queue.actor());
  update public.tasks as t
  set status = e.status,
    error_message = queue.cut_text(e.reason),
    output_location = queue.cut_text(e.reason) -- where deployed debug tools look
  from unnest(p_ends) as e
  where t.id = e.task_id
    and t.status in ('Queued', 'In Progress');
  perform queue.say(v_actor, v_reason, nullif(v_details, '')::jsonb);
end;
$$;

comment on function queue.end_tasks(queue.task_end[]) is
  'Ends these tasks, as far as they are live, in one statement: status and reason as given.';

revoke all on function queue.end_tasks(queue.task_end[]) from public, anon, authenticated, service_role;
