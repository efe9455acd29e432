-- The same for a worker whose row comes only when it has ended: workers may claim before they have one.
create function queue.workers_after_insert()
returns trigger
language plpgsql
security definer -- puts tasks back on behalf of any caller who may write workers
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_ended text[] := array(select n.id from new_rows as n where n.status in ('terminated', 'error', 'crashed'));
begin
  if cardinality(v_ended) > 0 then
    perform queue.free_work(v_ended);
  end if;
  return null;
end;
$$;

comment on function queue.workers_after_insert() is
  'Trigger: tasks of workers whose row came as terminated, error or crashed go back to the queue, and what they still held is free.';

revoke all on function queue.workers_after_insert() from public, anon, authenticated, service_role;

create trigger workers_after_insert
  after insert on public.workers
  referencing new table as new_rows
  for each statement execute function queue.workers_after_insert();
