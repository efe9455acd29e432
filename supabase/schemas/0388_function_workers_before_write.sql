-- Orchestrators read a worker, think, and PATCH status and metadata whole. What a beat wrote in between must survive
-- that, and so must the id of the rented machine: without it nobody can switch that machine off.
--
-- Whether an end is a failure is decided here, once, when the status changes, and by what is known of the worker, not by
-- words: orchestrators give a reason for every end, also for sending an idle machine home. They look before they write:
-- what the machine took in between, what it was sent home with, and the crash that its guardian reports while it is being
-- switched off, are no failure.
create function queue.workers_before_write()
returns trigger
language plpgsql
security definer -- asks who is behind the change on behalf of any caller who may write
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_cycle constant interval := interval '1 minute'; -- two cycles of an orchestrator
  v_now timestamptz;
  v_was_leaving boolean := false; -- on its way out already, or gone
  v_was_over boolean := false;
  v_is_over boolean := new.status in ('terminated', 'error', 'crashed');
begin
  if tg_op = 'INSERT' then
    perform queue.refuse_name_of_a_token(new.id);
  end if;
  new.metadata := coalesce(new.metadata, case when tg_op = 'UPDATE' then old.metadata end, '{}');

  if tg_op = 'UPDATE' then
    v_was_over := old.status in ('terminated', 'error', 'crashed');
    v_was_leaving := v_was_over or old.status = 'terminating';

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

    -- Orchestrators that keep their own word for the status read that one, and know no crash.
    if new.status is distinct from old.status and (v_is_over or v_was_over)
      and new.metadata ? 'orchestrator_status'
      and new.metadata -> 'orchestrator_status' is not distinct from old.metadata -> 'orchestrator_status' then
      new.metadata := new.metadata || jsonb_build_object(
        'orchestrator_status', case new.status when 'crashed' then 'error' else new.status end
      );
    end if;
  end if;

  if not v_is_over and new.status is distinct from 'terminating' then
    new.failed_at := null;
    new.ended_at := null;
    return new;
  end if;
  v_now := queue.now();

  if tg_op = 'UPDATE' and old.status = 'crashed' and new.status in ('terminating', 'terminated')
    and old.ended_at > v_now - v_cycle
    -- Machines that crash as soon as they are rented are not sent home.
    and old.created_at <= v_now - (select s.worker_start_limit from queue.settings as s)
    and not exists (
      select from public.task_events as e
      where e.worker_id = new.id
        and e.from_status = 'In Progress'
        and e.to_status in ('Queued', 'Failed')
        and e.at >= old.ended_at - v_cycle
    ) then
    new.failed_at := null;
  end if;

  -- Set aside: was it still there? Api workers never beat.
  if not v_was_leaving and new.instance_type is distinct from 'api' and (
    case
      when new.last_heartbeat is null then new.status = 'error'
        or new.created_at < v_now - (select s.worker_start_limit from queue.settings as s)
      else greatest(queue.seen_at(new.last_heartbeat, v_now), (select least(w.trusted_since, v_now) from queue.clock_watch as w))
        < v_now - (select s.gpu_silence_limit from queue.settings as s)
    end
  ) then
    new.failed_at := v_now;
  end if;
  if not v_is_over then
    new.ended_at := null;
    return new;
  end if;

  if not v_was_over then
    new.ended_at := v_now;
    if new.failed_at is null and (
      new.status = 'crashed'
      -- Of an api worker it is only what an orchestrator says that misses its beats (queue.workers_before_status).
      or (new.reaped_at is not null and new.instance_type is distinct from 'api')
      or (new.status = 'error' and new.metadata -> 'self_terminated' = 'true')
      or (
        new.goodbye_at is null -- who says goodbye hands its work back
        and exists (
          select
          from public.tasks as t
          where t.worker_id = new.id
            and t.status = 'In Progress'
            and t.token_id is null
            and not queue.needs_no_worker(t)
            and (new.status <> 'terminated' or coalesce(t.claimed_at <= v_now - v_cycle, true))
            and not queue.is_taken_home(new, t)
        )
      )
    ) then
      new.failed_at := v_now;
    end if;
  end if;

  if coalesce(new.metadata ->> 'error_reason', '') = '' then
    new.metadata := new.metadata || jsonb_build_object(
      'error_reason',
      case
        when coalesce(new.metadata ->> 'termination_reason', '') <> '' then left(new.metadata ->> 'termination_reason', 2000)
        -- Written whole by somebody who had read it before.
        when v_was_over and coalesce(old.metadata ->> 'error_reason', '') <> '' then old.metadata ->> 'error_reason'
        when new.goodbye_at is not null then 'The worker said that it ends'
        when new.status = 'crashed' then 'The worker process is gone, as its guardian reported'
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
  'Trigger: a change of a worker keeps runpod_id (unless it is set to null) and the newest vram_* keys, gives every end a metadata.error_reason, its time and, if it is one, the time of the failure, and tells orchestrators by metadata.orchestrator_status where they keep it.';

revoke all on function queue.workers_before_write() from public, anon, authenticated, service_role;

create trigger workers_before_write
  before insert or update of status, metadata, reaped_at on public.workers
  for each row execute function queue.workers_before_write();
