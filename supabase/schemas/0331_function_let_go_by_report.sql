-- Who reports on a task that others have ended has let go of it. Of the fleet's workers nobody says which one it is: the
-- first to report on the task is taken for its holder, as everywhere.
create function queue.let_go_by_report(p_caller queue.caller, p_task_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if p_caller.kind <> 'user' and exists (select from queue.held_slots as h where h.task_id = p_task_id and h.let_go_at is null) then
    perform queue.let_go_of(null, p_caller.token_id, null, p_task_id);
  end if;
end;
$$;

comment on function queue.let_go_by_report(queue.caller, uuid) is
  'Frees what the caller still holds of this task, which it has just reported on.';

revoke all on function queue.let_go_by_report(queue.caller, uuid) from public, anon, authenticated, service_role;
