-- What an owner's starts take, moved apart from any change of a task: an orchestrator has handed over, a holder has let
-- go, a start is forgotten. The caller holds the owner's lock.
create function queue.move_slots(p_user_id uuid, p_running integer, p_orchestrating integer, p_remembered integer)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update queue.user_slots as s
  set running = s.running + p_running,
    orchestrating = s.orchestrating + p_orchestrating,
    remembered = s.remembered + p_remembered,
    cloud_reason = coalesce(nullif(s.cloud_reason, 'user_at_limit'), case when s.running + p_running >= s.task_limit then 'user_at_limit' end),
    local_reason = coalesce(nullif(s.local_reason, 'user_at_limit'), case when s.running + p_running >= s.task_limit then 'user_at_limit' end)
  where s.user_id = p_user_id;
  perform queue.refresh_lines(array[p_user_id]);
end;
$$;

comment on function queue.move_slots(uuid, integer, integer, integer) is
  'Adds to an owner''s running, orchestrating and remembered, and brings the lines in step. Call it under the owner''s lock.';

revoke all on function queue.move_slots(uuid, integer, integer, integer) from public, anon, authenticated, service_role;
