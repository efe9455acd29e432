-- TRUNCATE fires no trigger for rows: with the tasks goes all that was derived from them. Their history stays.
create function queue.tasks_after_truncate()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may truncate
set search_path = ''
set enable_seqscan = on -- what is there is to go
as $$
begin
  delete from queue.task_dependencies as d;
  delete from queue.subtasks as s;
  delete from queue.orchestrations as o;
  delete from queue.blocked_tasks as b;
  delete from queue.user_lines as l;
  delete from queue.handovers as h;
  delete from queue.held_slots as h;
  delete from queue.deferred_work as w where w.task_id is not null;
  update queue.user_slots as s
  set (running, orchestrating, remembered, cloud_reason, local_reason) = (
    select w.running, w.orchestrating, w.remembered, w.cloud_reason, w.local_reason from queue.slots_of(u, 0, 0, 0) as w
  )
  from public.users as u
  where u.id = s.user_id
    and (s.running <> 0 or s.orchestrating <> 0 or s.remembered <> 0);
  perform queue.recount_totals();
  return null;
end;
$$;

comment on function queue.tasks_after_truncate() is 'Trigger: empties what was derived from the tasks when all of them are gone.';

revoke all on function queue.tasks_after_truncate() from public, anon, authenticated, service_role;

create trigger tasks_after_truncate
  after truncate on public.tasks
  for each statement execute function queue.tasks_after_truncate();
