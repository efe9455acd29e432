-- The totals of ended tasks are counted on from the history; without it they are counted from the tasks.
create function queue.events_after_truncate()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may truncate
set search_path = ''
set enable_seqscan = on -- counts all tasks
as $$
begin
  perform queue.recount_totals();
  return null;
end;
$$;

comment on function queue.events_after_truncate() is 'Trigger: counts ended tasks anew when the history is emptied.';

revoke all on function queue.events_after_truncate() from public, anon, authenticated, service_role;

create trigger events_after_truncate
  after truncate on public.task_events
  for each statement execute function queue.events_after_truncate();
