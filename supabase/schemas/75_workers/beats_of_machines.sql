-- Beats over HTTP, of users' own machines above all, and calls that are a sign.

-- A beat through the functions, where every call has a route: by the service key for a worker of the fleet, which is the
-- guardian's beat; by a token for the machine of its owner.
-- See public.beat.
create function queue.beat_by_route(
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
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token']);
  v_now timestamptz := queue.now();
  v_held uuid[];
  v_logs json[];
  v_own json[];
  v_surplus integer;
  v_stored integer;
  v_named uuid[];
begin
  if v_caller.kind = 'service' then
    return queue.worker_heartbeat(json_build_object(
      'worker_id_param', p_worker_id,
      'status_param', p_status,
      'vram_total_mb_param', p_vram_total_mb,
      'vram_used_mb_param', p_vram_used_mb,
      -- Beats of the fleet name one.
      'current_task_id_param', p_task_ids[1],
      'logs_param', p_logs
    ));
  end if;
  if p_worker_id is null or length(p_worker_id) not between 1 and 200 then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT', 'A beat names its worker in 1 to 200 characters', 'Send worker_id'
    );
  end if;

  -- Of the lines of a machine that anybody may own those are kept that are about what it runs.
  v_held := array(select t.id from public.tasks as t where t.token_id = v_caller.token_id and t.status = 'In Progress');
  select b.logs, b.surplus into v_logs, v_surplus from queue.bounded_logs(p_logs) as b;
  v_own := array(
    select l.entry
    from unnest(v_logs) with ordinality as l (entry, place)
    where case
        when json_typeof(l.entry) = 'object' and queue.is_uuid(l.entry ->> 'task_id') then (l.entry ->> 'task_id')::uuid = any (v_held)
      end
    order by l.place
  );
  v_stored := queue.store_logs(v_own, queue.holder_name(v_caller, p_worker_id), v_now);
  v_named := array(
    select distinct t.id
    from unnest(v_own) as l (entry)
      join public.tasks as t on t.id = (l.entry ->> 'task_id')::uuid
    -- A last beat may bring lines about an earlier start of what another machine under this name has now.
    where p_status not in ('terminated', 'crashed') or p_status is null
      or queue.log_time(l.entry ->> 'timestamp', v_now) >= coalesce(t.claimed_at, '-infinity')
    union
    select n.id from unnest(p_task_ids) as n (id)
  );

  perform queue.beat_of_token(v_caller, p_worker_id, p_status, p_task_ids, v_named, v_now);

  return json_build_object(
    'success', true,
    'heartbeat_updated', true,
    'logs_inserted', v_stored,
    'log_errors', cardinality(v_logs) - v_stored + v_surplus,
    'stop', queue.tasks_to_stop(v_caller, queue.holder_name(v_caller, p_worker_id), v_named, p_task_ids[1], v_now)
  );
end;
$$;

-- A beat of a user's own machine. It has no row in workers: orchestrators list those and switch them off. What the beat
-- says is written on the tasks that the machine runs, and nothing when it runs none.
--
-- A machine that came back under its name would shield what its former self had lost. So a beat may say all that the machine
-- runs; and under a name that several share it speaks for what it names alone, also when it ends.
-- Notes a beat on the tasks that this token runs under this name: all of them, or those in p_runs and p_named where the
-- machine says what it runs or the name is shared. terminated and crashed put what it runs back, under a shared name what
-- it names (all else goes back if no machine names it again), the first without counting the start; what somebody holds
-- is left to the next rescue.
create function queue.beat_of_token(
  p_caller queue.caller, p_worker_id text, p_said text, p_runs uuid[], p_named uuid[], p_now timestamptz
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_holder constant text := queue.holder_name(p_caller, p_worker_id);
  v_is_shared constant boolean := p_worker_id = any ((select s.shared_worker_ids from queue.settings as s)::text[]);
  v_lost queue.lost_task[];
  v_left uuid[];
begin
  if p_said in ('terminated', 'crashed') then
    v_lost := array(
      select (
        t.id, t.lease_token, t.reported_at, t.worker_id, p_said, queue.reason_of_goodbye(p_said, t.attempts, p_worker_id, true)
      )::queue.lost_task
      from public.tasks as t
      where t.worker_id = v_holder
        and t.token_id = p_caller.token_id
        and t.status = 'In Progress'
        and (not v_is_shared or t.id = any (p_named))
        and not queue.needs_no_worker(t)
    );
    v_left := queue.put_back_or_leave(v_lost, queue.caller_name(p_caller));
    if v_is_shared and p_runs is null then
      perform queue.note_end_of_many(v_holder, p_caller.token_id, p_said, v_left, p_now);
    elsif cardinality(v_left) > 0 then
      insert into queue.noted_beats as b (worker_id, beat_at, status, leases)
      values (v_holder, p_now, p_said, v_left)
      on conflict (worker_id, beat_at) do update set status = excluded.status, leases = b.leases || excluded.leases;
    end if;
    -- And of what others had ended under it before nothing is held any more.
    if v_is_shared then
      perform queue.let_go_of(v_holder, p_caller.token_id, null, n.id) from unnest(p_named) as n (id) order by n.id;
    else
      perform queue.let_go_of(v_holder, p_caller.token_id, null, null);
    end if;
    return;
  end if;

  perform set_config('queue.mode', 'counts_itself', true); -- nothing follows from these columns
  update public.tasks as t
  set updated_at = p_now,
    seen_at = p_now,
    is_beaten_for = true,
    delivered_at = case when t.id = any (p_named) then coalesce(t.delivered_at, p_now) else t.delivered_at end,
    reported_at = case when t.id = any (p_named) then p_now else t.reported_at end
  from (
    select h.id
    from public.tasks as h
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
  perform set_config('queue.mode', '', true);
end;
$$;

-- A call that only reads cannot write down that it came; so whoever answers it says it here. It speaks for the task that it
-- names, and for no other: what else runs under the same token may be another machine, dead or alive.
-- See public.note_call.
create function queue.note_call(p_caller jsonb, p_task_id uuid)
returns boolean
language plpgsql
volatile
security definer -- writes columns of tasks that no API role may
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['token']);
  v_now timestamptz := queue.now();
begin
  update public.tasks as t
  set seen_at = v_now,
    updated_at = v_now,
    delivered_at = coalesce(t.delivered_at, v_now)
  from (
    select h.id
    from public.tasks as h
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
