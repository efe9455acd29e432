-- Heartbeats of the fleet's workers, with their logs; and calls that are a sign of life.

-- The guardian's heartbeat. One unnamed argument of type json, because PostgREST passes the body of a request to such a
-- function unchanged; for named arguments it unpacks the body, and one \u0000 in a log line fails the whole heartbeat.
-- See fairlane.func_worker_heartbeat_with_logs.
create function fairlane_core.worker_heartbeat(p_body json)
returns json
language plpgsql
volatile
security definer -- writes columns of tasks that no API role may
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_body json := fairlane_core.readable_json(p_body);
  v_worker_id text := v_body ->> 'worker_id_param';
  v_now timestamptz := fairlane_core.now();
  v_said text := coalesce(nullif(left(v_body ->> 'status_param', 200), ''), 'active');
  -- One of several machines under that name: the others go on.
  v_is_one_of_many boolean := v_said in ('terminated', 'crashed')
    and v_worker_id = any ((select s.shared_worker_ids from fairlane_core.settings as s)::text[]);
  v_status text := fairlane_core.beat_or_note(
    v_worker_id, case when v_is_one_of_many then 'active' else v_said end,
    v_body -> 'vram_total_mb_param', v_body -> 'vram_used_mb_param', v_now
  );
  v_current uuid := case
    when fairlane_core.is_uuid(v_body ->> 'current_task_id_param') then (v_body ->> 'current_task_id_param')::uuid
  end;
  v_logs json[];
  v_surplus integer;
  v_named uuid[] := case when v_current is null then '{}' else array[v_current] end;
  v_names text[] := array[]::text[];
  v_stored integer := 0;
begin
  select b.logs, b.surplus into v_logs, v_surplus from fairlane_core.bounded_logs(v_body -> 'logs_param') as b;
  if cardinality(v_logs) > 0 then
    v_stored := fairlane_core.store_logs(v_logs, v_worker_id, v_now);
    v_names := array(
      select distinct l.entry ->> 'task_id'
      from unnest(v_logs) as l (entry)
      where case when json_typeof(l.entry) = 'object' then l.entry ->> 'task_id' is not null end
    );
  end if;
  if v_names <> '{}' then
    v_named := array(
      select n.name::uuid
      from unnest(v_names) as n (name)
      where fairlane_core.is_uuid(n.name)
      union
      select v_current
      where v_current is not null
    );
  end if;
  if v_is_one_of_many then
    perform fairlane_core.end_one_of_many(v_worker_id, v_said, v_current, v_named, v_logs, v_now);
  elsif v_status = 'terminating' and v_said in ('terminated', 'crashed') then
    -- It is leaving anyway; whoever sent it away reports when it is gone. Its work is free now.
    perform fairlane_core.free_work(array[v_worker_id], v_said = 'terminated');
  elsif v_status = 'active' or not fairlane_core.has_ended(v_status) then
    perform fairlane_core.show_signs_of_life(v_worker_id, v_named, v_names, v_now);
  end if;

  return json_build_object(
    'success', true,
    'heartbeat_updated', true,
    'logs_inserted', v_stored,
    'log_errors', cardinality(v_logs) - v_stored + v_surplus,
    'stop', fairlane_core.tasks_to_stop(('service', null, null), v_worker_id, v_named, v_current, v_now)
  );
end;
$$;

-- fairlane_core.beat, or, when another transaction holds the worker's row, a row in fairlane_core.noted_beats: nobody's
-- open transaction delays a heartbeat. Returns the worker's status.
create function fairlane_core.beat_or_note(p_worker_id text, p_status text, p_vram_total json, p_vram_used json, p_now timestamptz)
returns text
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '100ms' -- restored when the function ends; the effective value is set below
as $$
begin
  -- For a row one may wait twice: behind other waiters, and for the holder.
  perform fairlane_core.limit_lock_waits(0.4);
  return fairlane_core.beat(p_worker_id, p_status, p_vram_total, p_vram_used, p_now);
exception when lock_not_available then
  insert into fairlane_core.noted_beats as b (worker_id, beat_at, status)
  values (p_worker_id, p_now, case when p_status in ('terminated', 'crashed') then p_status end)
  on conflict (worker_id, beat_at) do update set status = coalesce(b.status, excluded.status);
  return (select w.status from fairlane.workers as w where w.id = p_worker_id);
end;
$$;

-- One sign of life of a worker. The time is the database's; concurrent writes to the row are kept, because nothing is
-- read before it is written.
-- Records a heartbeat and returns the worker's status after it. Unknown workers are added; inactive, spawning and
-- crashed ones, those that only the reaper set to error and those that said goodbye become active; terminating,
-- terminated and error as set by somebody else stay. terminated is the worker's own goodbye, crashed its guardian's
-- report that it is gone. 400 INVALID_ARGUMENT without an id.
create function fairlane_core.beat(p_worker_id text, p_status text, p_vram_total json, p_vram_used json, p_now timestamptz)
returns text
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_vram jsonb := '{}'::jsonb;
  v_said text := case when p_status in ('terminating', 'error') then 'active' else p_status end; -- only orchestrators send workers away
  v_status text;
begin
  -- Longer ids do not fit an index.
  if p_worker_id is null or length(p_worker_id) not between 1 and 200 then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT', 'A heartbeat needs a worker id of 1 to 200 characters', 'Send worker_id_param'
    );
  end if;

  if starts_with(p_worker_id, 'token:') then
    perform fairlane_core.refuse_name_of_a_token(p_worker_id);
  end if;

  -- Without nvidia-smi a worker sends 0/0: then it knows nothing, and the previous values stay.
  if p_vram_total::text ~ '^[1-9]\d{0,8}(\.\d{1,9})?$' then
    v_vram := jsonb_strip_nulls(jsonb_build_object(
      'vram_total_mb', p_vram_total::jsonb,
      'vram_used_mb', case when p_vram_used::text ~ '^\d{1,9}(\.\d{1,9})?$' then p_vram_used::jsonb end,
      'vram_timestamp', round(extract(epoch from p_now), 3)
    ));
  end if;

  -- The end of one machine is not the end of others under the same name.
  if v_said in ('terminated', 'crashed') then
    select case when p_worker_id = any (s.shared_worker_ids) then 'active' else v_said end into v_said from fairlane_core.settings as s;
  end if;

  update fairlane.workers as w
  set last_heartbeat = p_now,
    status = case
      -- A worker's own goodbye does not bind it, and a guardian that then finds its process gone adds nothing.
      when w.goodbye_at is not null then case when v_said in ('terminated', 'crashed') then w.status else 'active' end
      when w.status in ('terminating', 'terminated') or (w.status = 'error' and w.reaped_at is null) then w.status
      when v_said in ('terminated', 'crashed') then v_said
      -- The reaper's error only meant silence.
      when w.status in ('inactive', 'spawning', 'crashed', 'error') then 'active'
      else w.status
    end,
    goodbye_at = case
      -- A new time; otherwise fairlane_core.workers_before_status would take the mark for somebody else's.
      when w.goodbye_at is not null and v_said in ('terminated', 'crashed')
        then greatest(p_now, w.goodbye_at + interval '1 microsecond')
      when v_said = 'terminated' and w.status not in ('terminating', 'terminated') and (w.status <> 'error' or w.reaped_at is not null)
        then p_now
    end,
    metadata = case
      when w.goodbye_at is not null and v_said in ('terminated', 'crashed') then w.metadata
      else fairlane_core.metadata_after_return(w)
    end || v_vram
  where w.id = p_worker_id
  returning w.status into v_status;
  if found then
    return v_status;
  end if;

  insert into fairlane.workers as w (id, instance_type, status, last_heartbeat, created_at, metadata, goodbye_at)
  values (p_worker_id, 'external', v_said, p_now, p_now, v_vram, case v_said when 'terminated' then p_now end)
  on conflict (id) do nothing
  returning w.status into v_status;
  if found then
    return v_status;
  end if;
  -- Two first heartbeats at once.
  return fairlane_core.beat(p_worker_id, p_status, p_vram_total, p_vram_used, p_now);
end;
$$;

-- Under a shared name a heartbeat counts only for the tasks it names: otherwise one machine would shield what another
-- lost, from the queue and from the orchestrators' resets, for as long as it sends heartbeats.
--
-- A worker that sends heartbeats runs what it holds: its tasks get a new updated_at, so that no clean-up takes them for
-- dead. Tasks that it named have been delivered. A task that somebody is changing is skipped: it gets a new time
-- anyway. These columns are not indexed, so the rows are updated in place.
--
-- Deployed workers log under params.task_id where a task has one, and in runs without --debug under a name that they
-- make up. Such a name can only mean the one task that takes the worker's slot; but the last lines of the previous task
-- may arrive for a while after the next claim, whose reply may be lost.
-- Sets updated_at of the tasks this worker runs with the service key (under a shared name only of those that it named),
-- and delivered_at and reported_at of those that it named: by their ids (p_named), by params.task_id, or, if only one
-- takes a slot, by a made-up name (p_names).
create function fairlane_core.show_signs_of_life(p_worker_id text, p_named uuid[], p_names text[], p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_late_lines constant interval := interval '1 minute';
  v_is_shared boolean := p_worker_id = any ((select s.shared_worker_ids from fairlane_core.settings as s)::text[]);
  v_made_up boolean := false;
begin
  if p_names <> '{}' then
    v_made_up := exists (select from unnest(p_names) as n (name) where n.name ~ '^unknown_task_\d{1,20}$');
  end if;
  perform set_config('fairlane_core.mode', 'counts_itself', true); -- nothing depends on these columns
  -- Once, and before it is joined to tasks: a plan made for an empty table would repeat it for each of all tasks.
  with held as materialized (
    select
      h.id,
      -- In sequence: params may be large, and usually a worker names the id or nothing.
      case
        when h.id = any (p_named) then true
        when p_names = '{}' then false
        when h.params ->> 'task_id' = any (p_names) then true
        when v_made_up and h.takes_slot and h.claimed_at < p_now - v_late_lines then not exists (
          select
          from fairlane.tasks as other
          where other.worker_id = p_worker_id
            and other.status = 'In Progress'
            and other.token_id is null
            and other.takes_slot
            and other.id <> h.id
        )
      end as is_named
    from fairlane.tasks as h
    where h.worker_id = p_worker_id
      and h.status = 'In Progress'
      and h.token_id is null
    order by h.id
    for no key update skip locked
  )
  update fairlane.tasks as t
  set updated_at = p_now,
    delivered_at = case when held.is_named then coalesce(t.delivered_at, p_now) else t.delivered_at end,
    reported_at = case when held.is_named then p_now else t.reported_at end
  from held
  where t.id = held.id
    and (not v_is_shared or held.is_named);
  perform set_config('fairlane_core.mode', '', true);
end;
$$;

-- What a worker should let go of: what was cancelled under it in the last hour, and what it seems to run (it named it)
-- although it is no longer its own. Lines about a task that this worker has completed arrive after the completion; they
-- are ignored.
-- What this worker of the caller should stop, as [{task_id, reason}]: cancelled, failed, taken_back, held_by_another,
-- completed_by_another or deleted.
create function fairlane_core.tasks_to_stop(
  p_caller fairlane_core.caller, p_worker_id text, p_named uuid[], p_current uuid, p_now timestamptz
)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select coalesce(json_agg(json_build_object('task_id', s.id, 'reason', s.reason) order by s.id), '[]')
    from (
      select t.id, 'cancelled' as reason
      from fairlane.tasks as t
      where t.worker_id = p_worker_id
        and t.status = 'Cancelled'
        and t.token_id is not distinct from p_caller.token_id
        and t.updated_at > p_now - interval '1 hour'
      union
      select
        n.id,
        case t.status
          when 'Queued' then 'taken_back'
          when 'In Progress' then 'held_by_another'
          when 'Complete' then 'completed_by_another'
          when 'Failed' then 'failed'
          when 'Cancelled' then 'cancelled'
          else 'deleted'
        end
      from unnest(p_named) as n (id)
        left join fairlane.tasks as t on t.id = n.id and (p_caller.kind = 'service' or t.user_id = p_caller.user_id)
      where case
        when t.id is null then n.id = p_current
        when t.status in ('In Progress', 'Complete') then t.worker_id is distinct from p_worker_id or t.token_id is distinct from p_caller.token_id
        else true
      end
    ) as s
  );
end;
$$;

-- A read-only call cannot record that it came, so the endpoint that answers it calls this. It counts only for the task
-- that it names: other tasks under the same token may belong to another machine, dead or alive.
-- See fairlane.note_call.
create function fairlane_core.note_call(p_caller jsonb, p_task_id uuid)
returns boolean
language plpgsql
volatile
security definer -- writes columns of tasks that no API role may
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['token']);
  v_now timestamptz := fairlane_core.now();
begin
  update fairlane.tasks as t
  set seen_at = v_now,
    updated_at = v_now,
    delivered_at = coalesce(t.delivered_at, v_now)
  from (
    select h.id
    from fairlane.tasks as h
    where h.id = p_task_id
      and h.token_id = v_caller.token_id
      and h.status = 'In Progress'
      and greatest(h.claimed_at, h.reported_at, h.seen_at) < v_now - interval '10 seconds'
    for no key update skip locked
  ) as held
  where t.id = held.id;
  return found;
end;
$$;
