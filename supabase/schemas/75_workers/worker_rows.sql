-- What may be written into a worker's row and its metadata, and what follows from it.

-- Orchestrators read a worker, decide, and PATCH status and metadata as a whole. What a heartbeat wrote in between must
-- survive that.
--
-- Whether an end is a failure is decided here, once, when the status changes, and from what is known of the worker, not
-- from the text: orchestrators give a reason for every end, also for sending an idle machine home. They read before
-- they write: what the machine took in between, what it was sent home with, and the crash that its guardian reports
-- while it is being switched off, are no failures.
-- A change of a worker keeps the newest vram_* keys, gives every end a metadata.error_reason, its time and, if it is a
-- failure, the time of that, and updates metadata.orchestrator_status for orchestrators that use it.
create function fairlane_core.workers_before_write()
returns trigger
language plpgsql
security definer -- asks who is behind the change on behalf of any caller who may write
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_cycle constant interval := interval '1 minute'; -- two cycles of an orchestrator
  v_now timestamptz;
  v_was_leaving boolean := false; -- already leaving, or gone
  v_was_over boolean := false;
  -- Most writes are heartbeats of workers that go on: in this order they call no function.
  v_is_over boolean := new.status is distinct from 'active' and fairlane_core.has_ended(new.status);
begin
  if tg_op = 'INSERT' then
    perform fairlane_core.refuse_name_of_a_token(new.id);
  end if;
  new.metadata := coalesce(new.metadata, case when tg_op = 'UPDATE' then old.metadata end, '{}');

  if tg_op = 'UPDATE' then
    v_was_over := old.status is distinct from 'active' and fairlane_core.has_ended(old.status);
    v_was_leaving := v_was_over or old.status = 'terminating';

    -- A heartbeat sets last_heartbeat and has the newest values.
    if new.last_heartbeat is not distinct from old.last_heartbeat
      and not coalesce(new.metadata -> 'vram_timestamp' >= old.metadata -> 'vram_timestamp', false) then
      new.metadata := new.metadata || coalesce(
        (select jsonb_object_agg(k.key, k.value) from jsonb_each(old.metadata) as k where k.key like 'vram\_%'), '{}'
      );
    end if;

    -- Orchestrators with their own status field read that one, and do not know crashed.
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
  v_now := fairlane_core.now();

  if tg_op = 'UPDATE' and old.status = 'crashed' and new.status in ('terminating', 'terminated')
    and old.ended_at > v_now - v_cycle
    -- Machines that crash as soon as they are rented are not sent home.
    and old.created_at <= v_now - (select s.worker_start_limit from fairlane_core.settings as s)
    and not exists (
      select from fairlane.task_events as e
      where e.worker_id = new.id
        and e.from_status = 'In Progress'
        and e.to_status in ('Queued', 'Failed')
        and e.at >= old.ended_at - v_cycle
    ) then
    new.failed_at := null;
  end if;

  -- Set aside: was it still alive? Api workers never send heartbeats.
  if not v_was_leaving and new.instance_type is distinct from 'api' and (
    case
      when new.last_heartbeat is null then new.status = 'error'
        or new.created_at < v_now - (select s.worker_start_limit from fairlane_core.settings as s)
      else greatest(fairlane_core.seen_at(new.last_heartbeat, v_now), (select least(w.trusted_since, v_now) from fairlane_core.clock_watch as w))
        < v_now - (select s.gpu_heartbeat_timeout from fairlane_core.settings as s)
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
      -- For an api worker this is only the view of an orchestrator that misses its heartbeats
      -- (fairlane_core.workers_before_status).
      or (new.reaped_at is not null and new.instance_type is distinct from 'api')
      or (new.status = 'error' and new.metadata -> 'self_terminated' = 'true')
      or (
        new.goodbye_at is null -- a worker that says goodbye releases its work
        and exists (
          select
          from fairlane.tasks as t
          where t.worker_id = new.id
            and t.status = 'In Progress'
            and t.token_id is null
            and not fairlane_core.is_waiting_for_children(t)
            and (new.status <> 'terminated' or coalesce(t.claimed_at <= v_now - v_cycle, true))
            and not fairlane_core.is_taken_home(new, t)
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
        -- Written as a whole by somebody who had read it before.
        when v_was_over and coalesce(old.metadata ->> 'error_reason', '') <> '' then old.metadata ->> 'error_reason'
        when new.goodbye_at is not null then 'The worker said that it ends'
        when new.status = 'crashed' then 'The worker process is gone, as its guardian reported'
        else pg_catalog.format(
          'Set to %s without a reason by %s%s', new.status, fairlane_core.actor(),
          case when tg_op = 'UPDATE' then pg_catalog.format('; it was %s, last beat %s', old.status, coalesce(old.last_heartbeat::text, 'never')) end
        )
      end
    );
  end if;
  return new;
end;
$$;

create trigger workers_before_write
  before insert or update of status, metadata, reaped_at on fairlane.workers
  for each row execute function fairlane_core.workers_before_write();

-- The queue marks an error that only meant silence, and the end that a worker announced itself: the worker's next sign
-- of life reverts either. When anybody else sets the status, that holds instead. Fires before workers_before_write, by
-- its name.
--
-- But orchestrators read and then write, and what they write may be older than what they overwrite. A promotion of a
-- machine that has ended meanwhile would hide that end, and is not needed: if the machine lives, its next heartbeat
-- says so. And whoever keeps a machine by hand knows better than an orchestrator that did not rent it.
--
-- Api workers never send heartbeats. Orchestrators of machines that read all rows take that for silence, and would end
-- them and their work although they call all the time: an end that only an orchestrator reports is ignored for a worker
-- that calls, or is kept. What was said stays in metadata.not_believed. For one that has not called lately it counts as
-- the reaper's, whichever status they set and however often (first error, and ten minutes later terminated): its next
-- call reverts it.
-- A write to a worker's status clears the marks that the queue (reaped_at) or the worker itself (goodbye_at) had set. A
-- direct write of the service key that promotes a worker which is crashed, reaped or said goodbye changes neither
-- status nor metadata; one that sets aside a worker which is kept and sends heartbeats, or an api worker that is kept
-- or calls, is only kept in metadata.not_believed.
create function fairlane_core.workers_before_status()
returns trigger
language plpgsql
security invoker -- checks whether an API role writes directly
set search_path = ''
as $$
declare
  v_now timestamptz;
  v_is_said_by_others boolean := current_user = 'service_role'
    and new.status in ('terminating', 'terminated', 'error')
    and new.last_heartbeat is not distinct from old.last_heartbeat
    -- When a worker gives itself up, that holds.
    and new.metadata -> 'self_terminated' is distinct from 'true';
begin
  if v_is_said_by_others and new.status is distinct from old.status and (old.kept_at is not null or old.instance_type = 'api') then
    select pg_catalog.now() + s.clock_offset into v_now from fairlane_core.settings as s;
    if (old.kept_at is not null and (
        old.instance_type = 'api' or fairlane_core.is_beating(old.last_heartbeat)
      ))
      or fairlane_core.has_called_lately(old.id) then
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

  -- Setting a mark always sets it to a new time.
  if new.reaped_at is not distinct from old.reaped_at then
    new.reaped_at := null;
  end if;
  if new.goodbye_at is not distinct from old.goodbye_at then
    new.goodbye_at := null;
  end if;
  if v_is_said_by_others and old.instance_type = 'api' then
    select pg_catalog.now() + s.clock_offset into new.reaped_at from fairlane_core.settings as s;
  end if;
  return new;
end;
$$;

create trigger workers_before_status
  before update of status on fairlane.workers
  for each row
  when (old.reaped_at is not null or old.goodbye_at is not null or old.kept_at is not null or old.status = 'crashed' or old.instance_type = 'api')
  execute function fairlane_core.workers_before_status();

-- The orchestrator, the machine's startup script and the worker itself all read metadata and write it as a whole, each
-- with its own keys. What one has written since another read must survive. So a direct write adds and changes keys, and
-- removes none; null is a value. The description of an end is removed together with that end.
-- Keys of a worker's metadata survive a direct write of the service key that does not name them, except error_reason,
-- error_time, termination_reason and self_terminated.
create function fairlane_core.workers_before_metadata()
returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
begin
  new.metadata := fairlane_core.metadata_without_end(old.metadata) || new.metadata;
  return new;
end;
$$;

create trigger workers_before_metadata
  before update of metadata on fairlane.workers
  for each row
  -- Checked here, with the rights of the writer: the queue's own heartbeats need not call the function.
  when (
    new.metadata is distinct from old.metadata and current_user = 'service_role' and jsonb_typeof(new.metadata) = 'object'
  )
  execute function fairlane_core.workers_before_metadata();

-- What orchestrators store with their workers is read with each of them, so it has the bounds of params.
-- Refuses metadata of workers that exceed the bounds of fairlane_core.json_fault with 413 PARAMS_TOO_LARGE.
create function fairlane_core.workers_keep_metadata_small()
returns trigger
language plpgsql
security definer -- whoever may write may hear the refusal
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  if tg_op = 'INSERT' or new.metadata is distinct from old.metadata then
    perform fairlane_core.refuse_large_json(new.metadata, 'metadata');
  end if;
  return new;
end;
$$;

create trigger workers_keep_metadata_small
  before insert or update of metadata on fairlane.workers
  for each row
  when (pg_column_size(new.metadata) > 100)
  execute function fairlane_core.workers_keep_metadata_small();

-- Orchestrators set aside machines that they did not rent (fairlane_core.is_rented). Such a machine gets no work, and
-- would be set aside again at their next cycle. Whoever started it by hand says so here.
-- See fairlane.keep_worker.
create function fairlane_core.keep_worker(p_caller jsonb, p_worker_id text, p_keep boolean)
returns json
language plpgsql
volatile
security definer -- writes kept_at, which no API role may
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_worker fairlane.workers;
begin
  perform fairlane_core.resolve_caller(p_caller, array['service']);

  update fairlane.workers as w
  set kept_at = case when coalesce(p_keep, true) then fairlane_core.now() end
  where w.id = p_worker_id
  returning w.* into v_worker;
  if not found then
    perform fairlane_core.refuse(
      404, 'WORKER_NOT_FOUND', pg_catalog.format('There is no worker %s', p_worker_id), 'Its first heartbeat creates its row'
    );
  end if;

  if v_worker.kept_at is not null and (v_worker.status = 'terminating' or fairlane_core.has_ended(v_worker.status)) then
    update fairlane.workers as w
    set status = 'active',
      metadata = fairlane_core.metadata_without_end(w.metadata)
        || jsonb_build_object('last_error_reason', w.metadata -> 'error_reason')
    where w.id = p_worker_id
    returning w.* into v_worker;
  end if;

  return json_build_object('worker_id', v_worker.id, 'status', v_worker.status, 'kept_at', v_worker.kept_at);
end;
$$;

-- Api workers never send heartbeats: claims and reports show that one lives. Claims that find nothing leave no trace.
-- Whether this worker has claimed or completed a task, or reported on one that it runs, with the service key, within
-- api_heartbeat_timeout.
create function fairlane_core.has_called_lately(p_worker_id text)
returns boolean
language plpgsql
stable
security definer -- called by a trigger with the rights of the writer
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_since timestamptz := v_now - (select s.api_heartbeat_timeout from fairlane_core.settings as s);
begin
  return exists (
    select
    from fairlane.tasks as t
    where t.worker_id = p_worker_id
      and t.status = 'In Progress'
      and t.token_id is null
      and fairlane_core.seen_at(greatest(t.claimed_at, t.reported_at), v_now) > v_since
  ) or exists (
    select
    from fairlane.tasks as t
    where t.worker_id = p_worker_id
      and t.status = 'Complete'
      and t.token_id is null
      and t.generation_processed_at > v_since
      and fairlane_core.seen_at(t.generation_processed_at, v_now) > v_since
  );
end;
$$;

-- A worker's metadata when it returns after an end of its own: what was wrong is over.
-- The metadata of this worker without the description of its goodbye, crash or silence; for the latter two the reason
-- stays as last_error_reason.
create function fairlane_core.metadata_after_return(p_worker fairlane.workers)
returns jsonb
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case
    when p_worker.goodbye_at is not null then fairlane_core.metadata_without_end(p_worker.metadata)
    when p_worker.reaped_at is null and p_worker.status <> 'crashed' then p_worker.metadata
    else fairlane_core.metadata_without_end(p_worker.metadata)
      || jsonb_build_object('last_error_reason', p_worker.metadata -> 'error_reason')
  end;
end;
$$;

-- The description of one end of a worker belongs to that end: afterwards it must neither be read as the reason of the
-- next end, nor cause it.
-- A worker's metadata without error_reason, error_time, termination_reason and self_terminated.
create function fairlane_core.metadata_without_end(p_metadata jsonb)
returns jsonb
language sql
immutable
security invoker
set search_path = ''
as $$
  select p_metadata - '{error_reason,error_time,termination_reason,self_terminated}'::text[];
$$;
