-- The queue marks an error that only meant silence, and the end that a worker announced itself: either is taken back by
-- the worker's next sign of life. As soon as anybody else says the status, it is theirs. Fires before
-- workers_before_write, by its name.
--
-- But orchestrators look and then write, and what they write may be older than what they overwrite. A promotion of a
-- machine that has ended meanwhile would hide that end, and is not needed: if the machine lives, its next beat says so. And
-- who keeps a machine by hand knows better than an orchestrator that did not rent it.
create function queue.workers_before_status()
returns trigger
language plpgsql
security invoker -- asks whether an API role writes directly
set search_path = ''
as $$
begin
  if current_user = 'service_role'
    and new.last_heartbeat is not distinct from old.last_heartbeat
    and (
      case
        when new.status in ('active', 'spawning', 'inactive')
          then old.reaped_at is not null or old.goodbye_at is not null or old.status = 'crashed'
        when new.status in ('terminating', 'terminated', 'error')
          -- A worker that gives itself up is not argued with.
          then old.kept_at is not null and new.metadata -> 'self_terminated' is distinct from 'true'
            and old.last_heartbeat > (select pg_catalog.now() + s.clock_offset - s.gpu_silence_limit from queue.settings as s)
        else false
      end
    ) then
    new.status := old.status;
    new.metadata := old.metadata;
    return new;
  end if;

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
  'Trigger: whoever writes the status of a worker takes away the marks that the queue (reaped_at) or the worker itself (goodbye_at) had set. A direct write of the service key that promotes a worker which is crashed, reaped or said goodbye, or sets aside one that is kept and beats, changes neither status nor metadata.';

revoke all on function queue.workers_before_status() from public, anon, authenticated, service_role;

create trigger workers_before_status
  before update of status on public.workers
  for each row
  when (old.reaped_at is not null or old.goodbye_at is not null or old.kept_at is not null or old.status = 'crashed')
  execute function queue.workers_before_status();
