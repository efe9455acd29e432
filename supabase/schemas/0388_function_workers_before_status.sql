-- The queue marks an error that only meant silence, and the end that a worker announced itself: either is taken back by
-- the worker's next sign of life. As soon as anybody else says the status, it is theirs. Fires before
-- workers_before_write, by its name.
--
-- But orchestrators look and then write, and what they write may be older than what they overwrite. A promotion of a
-- machine that has ended meanwhile would hide that end, and is not needed: if the machine lives, its next beat says so. And
-- who keeps a machine by hand knows better than an orchestrator that did not rent it.
--
-- Api workers never beat. Orchestrators of machines that read all rows take that for silence, and would end them and their
-- work while they call all the time: an end that only they say of one that calls, or is kept, is none. What was said stays
-- in metadata.not_believed. Of one that has not called lately it is taken as the reaper's, whichever word they use and however
-- often they say it (first error, and ten minutes later terminated): its next call takes it back.
create function queue.workers_before_status()
returns trigger
language plpgsql
security invoker -- asks whether an API role writes directly
set search_path = ''
as $$
declare
  v_now timestamptz;
  v_is_said_by_others boolean := current_user = 'service_role'
    and new.status in ('terminating', 'terminated', 'error')
    and new.last_heartbeat is not distinct from old.last_heartbeat
    -- A worker that gives itself up is not argued with.
    and new.metadata -> 'self_terminated' is distinct from 'true';
begin
  if v_is_said_by_others and new.status is distinct from old.status and (old.kept_at is not null or old.instance_type = 'api') then
    select pg_catalog.now() + s.clock_offset into v_now from queue.settings as s;
    if (old.kept_at is not null and (
        old.instance_type = 'api' or queue.is_beating(old.last_heartbeat)
      ))
      or queue.has_called_lately(old.id) then
      new.metadata := old.metadata || jsonb_build_object(
        'not_believed', jsonb_build_object(
          'status', new.status,
          'reason', left(coalesce(new.metadata ->> 'error_reason', new.metadata ->> 'termination_reason'), 2000),
          'at', v_now
        )
      );
      new.status := old.status;
      return new;
    end if;
  end if;

  if current_user = 'service_role'
    and new.last_heartbeat is not distinct from old.last_heartbeat
    and new.status in ('active', 'spawning', 'inactive')
    and (old.reaped_at is not null or old.goodbye_at is not null or old.status = 'crashed') then
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
  if v_is_said_by_others and old.instance_type = 'api' then
    select pg_catalog.now() + s.clock_offset into new.reaped_at from queue.settings as s;
  end if;
  return new;
end;
$$;

comment on function queue.workers_before_status() is
  'Trigger: whoever writes the status of a worker takes away the marks that the queue (reaped_at) or the worker itself (goodbye_at) had set. A direct write of the service key that promotes a worker which is crashed, reaped or said goodbye, changes neither status nor metadata; one that sets aside a worker which is kept and beats, or is an api worker that is kept or calls, is only kept in metadata.not_believed.';

revoke all on function queue.workers_before_status() from public, anon, authenticated, service_role;

create trigger workers_before_status
  before update of status on public.workers
  for each row
  when (old.reaped_at is not null or old.goodbye_at is not null or old.kept_at is not null or old.status = 'crashed' or old.instance_type = 'api')
  execute function queue.workers_before_status();
