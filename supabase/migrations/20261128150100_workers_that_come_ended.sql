-- What: work of a worker whose row comes as terminated, error or crashed goes back at once.
-- Why: workers may claim before anybody has made a row for them.
-- Back out: drop the trigger and its function.

set lock_timeout = '900ms';
select queue.lock_tables('public.workers');

-- The same for a worker whose row comes only when it has ended: workers may claim before they have one.
create function queue.workers_after_insert()
returns trigger
language plpgsql
security definer -- puts tasks back on behalf of any caller who may write workers
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  update public.tasks as t
  set status = 'Queued',
    error_message = pg_catalog.format(
      'Start %s ended without a result: worker %s is %s%s',
      greatest(t.attempts, 1), t.worker_id, n.status, coalesce(' (' || (n.metadata ->> 'error_reason') || ')', '')
    )
  from new_rows as n
  where n.status in ('terminated', 'error', 'crashed')
    and t.worker_id = n.id
    and t.token_id is null
    and t.status = 'In Progress'
    and not queue.needs_no_worker(t);
  return null;
end;
$$;

comment on function queue.workers_after_insert() is
  'Trigger: tasks of workers whose row came as terminated, error or crashed go back to the queue.';

revoke all on function queue.workers_after_insert() from public, anon, authenticated, service_role;

create trigger workers_after_insert
  after insert on public.workers
  referencing new table as new_rows
  for each statement execute function queue.workers_after_insert();
