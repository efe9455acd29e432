-- Orchestrators read a worker, think, and PATCH status and metadata whole. What a beat wrote in between must survive
-- that, and so must the id of the rented machine: without it nobody can switch that machine off.
create function queue.workers_before_write()
returns trigger
language plpgsql
security definer -- asks who is behind the change on behalf of any caller who may write
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  if tg_op = 'INSERT' then
    perform queue.refuse_name_of_a_token(new.id);
  end if;
  new.metadata := coalesce(new.metadata, case when tg_op = 'UPDATE' then old.metadata end, '{}');

  if tg_op = 'UPDATE' then
    -- Whoever else says the status, it is no longer the reaper's.
    if new.reaped_at is not distinct from old.reaped_at then
      new.reaped_at := null;
    end if;

    if old.metadata ? 'runpod_id' and not new.metadata ? 'runpod_id' then
      new.metadata := new.metadata || jsonb_build_object('runpod_id', old.metadata -> 'runpod_id');
    end if;
    -- A beat moves last_heartbeat and knows better than anyone.
    if new.last_heartbeat is not distinct from old.last_heartbeat
      and not coalesce(new.metadata -> 'vram_timestamp' >= old.metadata -> 'vram_timestamp', false) then
      new.metadata := new.metadata || coalesce(
        (select jsonb_object_agg(k.key, k.value) from jsonb_each(old.metadata) as k where k.key like 'vram\_%'), '{}'
      );
    end if;
  end if;

  if new.status not in ('terminated', 'error', 'crashed') then
    new.failed_at := null;
  elsif new.failed_at is null and (
    new.status <> 'terminated'
    or coalesce(new.metadata ->> 'error_reason', '') <> ''
    or exists (
      select from public.tasks as t where t.worker_id = new.id and t.status = 'In Progress' and t.token_id is null
    )
  ) then
    new.failed_at := queue.now();
  end if;

  if new.status in ('terminated', 'error', 'crashed') and coalesce(new.metadata ->> 'error_reason', '') = '' then
    new.metadata := new.metadata || jsonb_build_object(
      'error_reason',
      case new.status
        when 'crashed' then 'The worker process is gone, as its guardian reported'
        else pg_catalog.format(
          'Set to %s without a reason by %s%s', new.status, queue.actor(),
          case when tg_op = 'UPDATE' then pg_catalog.format('; it was %s, last beat %s', old.status, coalesce(old.last_heartbeat::text, 'never')) end
        )
      end
    );
  end if;
  return new;
end;
$$;

comment on function queue.workers_before_write() is
  'Trigger: a change of a worker keeps runpod_id (unless it is set to null) and the newest vram_* keys, gives every end a metadata.error_reason and every failure its time.';

revoke all on function queue.workers_before_write() from public, anon, authenticated, service_role;

create trigger workers_before_write
  before insert or update of status, metadata, reaped_at on public.workers
  for each row execute function queue.workers_before_write();
