-- Heartbeats over HTTP, mostly of users' own machines; and shared names (settings.shared_worker_ids; two machines of
-- one token under one name), where one machine ends and the others go on.

-- A heartbeat through the functions, where every call has a route: with the service key for a worker of the fleet,
-- which is the guardian's heartbeat; with a token for the machine of its owner.
-- See fairlane.beat.
create function fairlane_core.beat_by_route(
  p_caller jsonb,
  p_worker_id text,
  p_status text,
  p_task_ids uuid[],
  p_vram_total_mb json,
  p_vram_used_mb json,
  p_logs json
)
returns json
language plpgsql
volatile
security definer -- writes columns of tasks that no API role may
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token']);
  v_now timestamptz := fairlane_core.now();
  v_held uuid[];
  v_logs json[];
  v_own json[];
  v_surplus integer;
  v_stored integer;
  v_named uuid[];
begin
  if v_caller.kind = 'service' then
    return fairlane_core.worker_heartbeat(json_build_object(
      'worker_id_param', p_worker_id,
      'status_param', p_status,
      'vram_total_mb_param', p_vram_total_mb,
      'vram_used_mb_param', p_vram_used_mb,
      -- Heartbeats of the fleet name one task.
      'current_task_id_param', p_task_ids[1],
      'logs_param', p_logs
    ));
  end if;
  if p_worker_id is null or length(p_worker_id) not between 1 and 200 then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT', 'A heartbeat needs a worker id of 1 to 200 characters', 'Send worker_id'
    );
  end if;

  -- From a machine that anybody may own, only log lines about its running tasks are kept.
  v_held := array(select t.id from fairlane.tasks as t where t.token_id = v_caller.token_id and t.status = 'In Progress');
  select b.logs, b.surplus into v_logs, v_surplus from fairlane_core.bounded_logs(p_logs) as b;
  v_own := array(
    select l.entry
    from unnest(v_logs) with ordinality as l (entry, place)
    where case
        when json_typeof(l.entry) = 'object' and fairlane_core.is_uuid(l.entry ->> 'task_id') then (l.entry ->> 'task_id')::uuid = any (v_held)
      end
    order by l.place
  );
  v_stored := fairlane_core.store_logs(v_own, fairlane_core.holder_name(v_caller, p_worker_id), v_now);
  v_named := array(
    select distinct t.id
    from unnest(v_own) as l (entry)
      join fairlane.tasks as t on t.id = (l.entry ->> 'task_id')::uuid
    -- A last heartbeat may bring log lines about an earlier attempt at a task that another machine under this name now
    -- has.
    where p_status not in ('terminated', 'crashed') or p_status is null
      or fairlane_core.log_time(l.entry ->> 'timestamp', v_now) >= coalesce(t.claimed_at, '-infinity')
    union
    select n.id from unnest(p_task_ids) as n (id)
  );

  perform fairlane_core.beat_of_token(v_caller, p_worker_id, p_status, p_task_ids, v_named, v_now);

  return json_build_object(
    'success', true,
    'heartbeat_updated', true,
    'logs_inserted', v_stored,
    'log_errors', cardinality(v_logs) - v_stored + v_surplus,
    'stop', fairlane_core.tasks_to_stop(v_caller, fairlane_core.holder_name(v_caller, p_worker_id), v_named, p_task_ids[1], v_now)
  );
end;
$$;

-- A heartbeat of a user's own machine. It has no row in workers: orchestrators list those and switch them off. The
-- heartbeat is recorded on the tasks that the machine runs, and nowhere when it runs none.
--
-- A machine that came back under its name would shield what its former process had lost. So a heartbeat may list all
-- that the machine runs; and under a shared name it counts only for what it names, also when it ends.
-- Records a heartbeat on the tasks that this token runs under this name: all of them, or those in p_runs and p_named if
-- the machine says what it runs or the name is shared. terminated and crashed requeue what it runs, under a shared name
-- what it names (the rest is requeued if no machine names it again), terminated without counting the attempt; what
-- somebody holds is left to the next rescue.
create function fairlane_core.beat_of_token(
  p_caller fairlane_core.caller, p_worker_id text, p_said text, p_runs uuid[], p_named uuid[], p_now timestamptz
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_holder constant text := fairlane_core.holder_name(p_caller, p_worker_id);
  v_is_shared constant boolean := p_worker_id = any ((select s.shared_worker_ids from fairlane_core.settings as s)::text[]);
  v_lost fairlane_core.lost_task[];
  v_left uuid[];
begin
  if p_said in ('terminated', 'crashed') then
    v_lost := array(
      select (
        t.id, t.lease_token, t.reported_at, t.worker_id, p_said, fairlane_core.reason_of_goodbye(p_said, t.attempts, p_worker_id, true)
      )::fairlane_core.lost_task
      from fairlane.tasks as t
      where t.worker_id = v_holder
        and t.token_id = p_caller.token_id
        and t.status = 'In Progress'
        and (not v_is_shared or t.id = any (p_named))
        and not fairlane_core.is_waiting_for_children(t)
    );
    v_left := fairlane_core.requeue_lost_or_leave(v_lost, fairlane_core.caller_name(p_caller));
    if v_is_shared and p_runs is null then
      perform fairlane_core.note_end_of_many(v_holder, p_caller.token_id, p_said, v_left, p_now);
    elsif cardinality(v_left) > 0 then
      insert into fairlane_core.noted_beats as b (worker_id, beat_at, status, leases)
      values (v_holder, p_now, p_said, v_left)
      on conflict (worker_id, beat_at) do update set status = excluded.status, leases = b.leases || excluded.leases;
    end if;
    -- Nor does it hold any longer what others had ended under it before.
    if v_is_shared then
      perform fairlane_core.let_go_of(v_holder, p_caller.token_id, null, n.id) from unnest(p_named) as n (id) order by n.id;
    else
      perform fairlane_core.let_go_of(v_holder, p_caller.token_id, null, null);
    end if;
    return;
  end if;

  perform set_config('fairlane_core.mode', 'counts_itself', true); -- nothing depends on these columns
  update fairlane.tasks as t
  set updated_at = p_now,
    seen_at = p_now,
    is_beaten_for = true,
    delivered_at = case when t.id = any (p_named) then coalesce(t.delivered_at, p_now) else t.delivered_at end,
    reported_at = case when t.id = any (p_named) then p_now else t.reported_at end
  from (
    select h.id
    from fairlane.tasks as h
    where h.worker_id = v_holder
      and h.token_id = p_caller.token_id
      and h.status = 'In Progress'
      and case
        when p_runs is not null then h.id = any (p_runs || p_named)
        else not v_is_shared or h.id = any (p_named)
      end
    order by h.id
    for no key update skip locked
  ) as held
  where t.id = held.id;
  perform set_config('fairlane_core.mode', '', true);
end;
$$;

-- The last heartbeat of one of several machines under one name. What it names is requeued at once; who ran the other
-- tasks under the name is unknown, so they are noted, and requeued when no machine names them again
-- (fairlane_core.stalled_tasks).
--
-- Log lines from before a task was handed out belong to an earlier attempt: the machine lost the task, and another one
-- under the same name may have it now. They name nothing.
-- Ends a machine under a shared name, with the service key: requeues what it names (p_current, or a line of p_logs that
-- is not older than the attempt) at once, without counting the attempt if it said goodbye, lets go of what others had
-- ended under it (p_named), and notes all else that runs under the name as possibly its own.
create function fairlane_core.end_one_of_many(
  p_worker_id text, p_said text, p_current uuid, p_named uuid[], p_logs json[], p_now timestamptz
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_lost fairlane_core.lost_task[];
  v_left uuid[];
begin
  v_lost := array(
    select (
      t.id, t.lease_token, t.reported_at, t.worker_id, p_said, fairlane_core.reason_of_goodbye(p_said, t.attempts, p_worker_id, false)
    )::fairlane_core.lost_task
    from fairlane.tasks as t
    where t.worker_id = p_worker_id
      and t.token_id is null
      and t.status = 'In Progress'
      and (
        t.id = p_current
        or exists (
          select
          from unnest(p_logs) as l (entry)
          where case
              when json_typeof(l.entry) = 'object' and l.entry ->> 'task_id' is not null then
                lower(l.entry ->> 'task_id') in (t.id::text, lower(t.params ->> 'task_id'))
                and fairlane_core.log_time(l.entry ->> 'timestamp', p_now) >= coalesce(t.claimed_at, '-infinity')
            end
        )
      )
      and not fairlane_core.is_waiting_for_children(t)
  );
  v_left := fairlane_core.requeue_lost_or_leave(v_lost, 'service');
  perform fairlane_core.let_go_of(p_worker_id, null, null, n.id) from unnest(p_named) as n (id) order by n.id;
  perform fairlane_core.note_end_of_many(p_worker_id, null, p_said, v_left, p_now);
end;
$$;

-- One of several machines under one name has ended. Nobody can know which of the tasks under that name were its own;
-- those of the others will be named again. Tasks of users' machines that never send heartbeats may be silent for longer
-- (token_heartbeat_timeout).
-- Leaves to the rescue what a machine that ended under a shared name may have run: p_left certainly, all else under
-- that name and token (null = the service key) if no machine names it again.
create function fairlane_core.note_end_of_many(p_worker_id text, p_token_id uuid, p_said text, p_left uuid[], p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_doubtful uuid[] := array(
    select t.lease_token
    from fairlane.tasks as t
    where t.worker_id = p_worker_id
      and t.token_id is not distinct from p_token_id
      and t.status = 'In Progress'
      and (p_token_id is null or t.is_beaten_for)
      and t.lease_token <> all (p_left)
      and not fairlane_core.is_waiting_for_children(t)
    order by t.id
  );
begin
  if cardinality(v_doubtful) + cardinality(p_left) = 0 then
    return;
  end if;
  insert into fairlane_core.noted_beats as b (worker_id, beat_at, status, leases, doubtful_leases)
  values (p_worker_id, p_now, p_said, p_left, v_doubtful)
  on conflict (worker_id, beat_at) do update
  set status = excluded.status,
    leases = coalesce(b.leases, '{}') || excluded.leases,
    doubtful_leases = coalesce(b.doubtful_leases, '{}') || excluded.doubtful_leases;
end;
$$;

-- Until when a task that runs under a shared name must be named in order not to be requeued; null for any other. Only a
-- call, a log line or a heartbeat that names it shows that it still runs. fairlane_core.stalled_tasks applies the rule
-- to all running tasks, this function to one. Times are corrected as there: after a gap or a step of the clock
-- everybody gets the full time again.
create function fairlane_core.named_before(p_task fairlane.tasks)
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_settings fairlane_core.settings;
  v_trusted_since timestamptz;
  v_named_at timestamptz;
begin
  select s.* into v_settings from fairlane_core.settings as s;
  if p_task.status <> 'In Progress' or coalesce(fairlane_core.sent_name(p_task.worker_id) <> all (v_settings.shared_worker_ids), true)
    or fairlane_core.is_waiting_for_children(p_task) then
    return null;
  end if;

  v_trusted_since := (select least(w.trusted_since, v_now) from fairlane_core.clock_watch as w);
  v_named_at := greatest(
    fairlane_core.seen_at(p_task.claimed_at, v_now), fairlane_core.seen_at(p_task.reported_at, v_now), fairlane_core.seen_at(p_task.seen_at, v_now), v_trusted_since
  );
  return least(
    v_named_at + case
      when p_task.token_id is not null and p_task.is_beaten_for then v_settings.token_beat_timeout
      when p_task.token_id is not null then v_settings.token_heartbeat_timeout
      when p_task.pool <> 'gpu' then least(v_settings.api_heartbeat_timeout, v_settings.stuck_after)
      when p_task.delivered_at is null then least(v_settings.delivery_timeout, v_settings.stuck_after)
      else v_settings.stuck_after
    end,
    (
      select min(greatest(b.beat_at, v_trusted_since)) + v_settings.token_beat_timeout
      from fairlane_core.noted_beats as b
      where b.worker_id = p_task.worker_id
        and p_task.lease_token = any (b.doubtful_leases)
        and b.beat_at > coalesce(greatest(p_task.reported_at, p_task.seen_at), '-infinity')
    )
  );
end;
$$;
