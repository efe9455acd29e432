-- The queue marks an error that only meant silence, and the end that a worker announced itself: either is taken back by
-- the worker's next sign of life. As soon as anybody else says the status, it is theirs. Fires before
-- workers_before_write, by its name.
create function queue.workers_before_status()
returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
begin
  -- Whoever sets a mark sets it to a new time.
  if new.reaped_at is not distinct from old.reaped_at then
    new.reaped_at := null;
  end if;
  if new.goodbye_at is not distinct from old.goodbye_at then
    new.goodbye_at := null;
  end if;
  return new;
end;
$$;

comment on function queue.workers_before_status() is
  'Trigger: whoever writes the status of a worker takes away the marks that the queue (reaped_at) or the worker itself (goodbye_at) had set.';

revoke all on function queue.workers_before_status() from public, anon, authenticated, service_role;

create trigger workers_before_status
  before update of status on public.workers
  for each row
  when (old.reaped_at is not null or old.goodbye_at is not null)
  execute function queue.workers_before_status();
