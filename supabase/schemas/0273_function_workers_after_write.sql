-- A worker whose row says that it has ended gives its work back at once, whoever wrote the row.
create function queue.workers_after_write()
returns trigger
language plpgsql
security definer -- puts tasks back on behalf of any caller who may write workers
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_ended text[];
begin
  if current_setting('queue.rescues', true) = 'on' then
    return null;
  end if;
  -- A beat writes its worker's row: it must pay neither for the join nor for the triggers of tasks, which run for no rows, too.
  if not exists (select from new_rows as n where n.status in ('terminated', 'error', 'crashed')) then
    return null;
  end if;
  v_ended := array(
    select n.id
    from new_rows as n
      full join old_rows as o on o.id = n.id -- never compares each with each, see queue.tasks_after_update
    where coalesce(n.status in ('terminated', 'error', 'crashed') and o.status is distinct from n.status, false)
  );
  if cardinality(v_ended) > 0 then
    perform queue.free_work(v_ended);
  end if;
  return null;
end;
$$;

comment on function queue.workers_after_write() is
  'Trigger: tasks of workers that have just become terminated, error or crashed go back to the queue, and what they still held is free.';

revoke all on function queue.workers_after_write() from public, anon, authenticated, service_role;

create trigger workers_after_write
  after update on public.workers
  referencing old table as old_rows new table as new_rows
  for each statement execute function queue.workers_after_write();
