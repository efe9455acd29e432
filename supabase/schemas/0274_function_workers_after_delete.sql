-- The same for a worker whose row is deleted.
create function queue.workers_after_delete()
returns trigger
language plpgsql
security definer -- puts tasks back on behalf of any caller who may delete workers
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
set lock_timeout = '60ms' -- nobody's open transaction is waited for (queue.free_work)
as $$
begin
  update public.tasks as t
  set status = 'Queued',
    error_message = pg_catalog.format(
      'Start %s ended without a result: the row of worker %s was deleted', greatest(t.attempts, 1), t.worker_id
    )
  from old_rows as o
  where t.worker_id = o.id
    and t.token_id is null
    and t.status = 'In Progress'
    and not queue.needs_no_worker(t);
  perform queue.let_go_of(e.id, null, null, null) from (select o.id from old_rows as o order by 1) as e;
  return null;
exception when lock_not_available then
  return null; -- nobody beats for these tasks any more: a rescue finds them
end;
$$;

comment on function queue.workers_after_delete() is 'Trigger: tasks of workers whose row was deleted go back to the queue, and what they still held is free.';

revoke all on function queue.workers_after_delete() from public, anon, authenticated, service_role;

create trigger workers_after_delete
  after delete on public.workers
  referencing old table as old_rows
  for each statement execute function queue.workers_after_delete();
