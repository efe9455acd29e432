-- How the work of a dead worker returns to the queue, and which of its attempts are not counted.

-- Requeues work whose holder will not finish it. Runs every minute, and from a claim that finds nothing while the job
-- is late. Silent workers are set to error first, so that they get no more work and an orchestrator sees why.
-- Requeues up to p_limit lost tasks (fairlane_core.stalled_tasks) and sets gpu workers that fell silent with work to
-- error; returns {requeue_lost, workers_set_to_error}, or {skipped} while another rescue runs. Safe to repeat.
create function fairlane_core.rescue(p_limit integer default 1000)
returns json
language plpgsql
volatile
security definer -- changes workers and leases for pg_cron, claims and the operator
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
as $$
declare
  v_lost fairlane_core.lost_task[];
  v_put_back integer;
  v_silent text;
  v_reaped text[] := array[]::text[];
  v_spared text[] := array[]::text[];
begin
  -- One at a time; a second run has nothing to add.
  if not pg_try_advisory_xact_lock(hashtextextended('fairlane_core.rescue', 0)) then
    return json_build_object('skipped', 'another rescue is running');
  end if;

  perform fairlane_core.watch_clock();
  perform fairlane_core.apply_noted_ends();
  delete from fairlane_core.noted_beats as b where b.beat_at < fairlane_core.now() - interval '1 hour' and b.status is null;
  -- Notes of ended machines whose tasks have meanwhile ended, been requeued, or been named by another machine under the
  -- same name.
  delete from fairlane_core.noted_beats as b
  where b.leases is not null
    and not exists (
      select
      from fairlane.tasks as t
      where t.worker_id = b.worker_id
        and t.status = 'In Progress'
        and (
          t.lease_token = any (b.leases)
          or (t.lease_token = any (b.doubtful_leases) and b.beat_at > coalesce(greatest(t.reported_at, t.seen_at), '-infinity'))
        )
    );
  -- Owners take turns: if another transaction holds one owner's many tasks, a run must not spend itself on them.
  v_lost := array(
    select q.lost
    from (
      select l as lost, row_number() over (partition by t.user_id order by t.id) as place, t.id
      from fairlane_core.stalled_tasks() as l
        join fairlane.tasks as t on t.id = l.task_id
    ) as q
    order by q.place, q.id
    limit p_limit
  );
  if cardinality(v_lost) = 0 then
    perform fairlane_core.free_held_slots(p_limit);
    return json_build_object('requeue_lost', 0, 'workers_set_to_error', 0);
  end if;

  perform fairlane_core.set_event_context('fairlane_core.rescue');
  -- The trigger on workers would requeue the same tasks (fairlane_core.workers_after_write).
  perform set_config('fairlane_core.mode', 'rescues', true);
  for v_silent in
    select distinct l.worker_id
    from unnest(v_lost) as l
    where l.cause = 'worker_silent'
      -- The silence of one machine says nothing about the others under its name.
      and l.worker_id <> all ((select s.shared_worker_ids from fairlane_core.settings as s)::text[])
    order by l.worker_id
  loop
    -- A heartbeat at this very moment wins.
    perform
    from fairlane.workers as w
    where w.id = v_silent
      and not fairlane_core.is_beating(w.last_heartbeat)
    for no key update skip locked;
    if not found and exists (select from fairlane.workers as w where w.id = v_silent) then
      v_spared := v_spared || v_silent;
    elsif fairlane_core.mark_reaped(v_silent, (select min(l.reason) from unnest(v_lost) as l where l.worker_id = v_silent)) then
      v_reaped := v_reaped || v_silent;
    end if;
  end loop;
  perform set_config('fairlane_core.mode', '', true);

  v_lost := array(
    select l from unnest(v_lost) as l where l.worker_id is null or l.cause <> 'worker_silent' or l.worker_id <> all (v_spared)
  );
  v_put_back := fairlane_core.requeue_lost(v_lost);
  -- Last, because it skips locked rows and waits for nobody.
  perform fairlane_core.free_held_slots(p_limit);
  perform fairlane_core.set_event_context(null);
  return json_build_object('requeue_lost', v_put_back, 'workers_set_to_error', cardinality(v_reaped));
end;
$$;

-- Requeues these tasks in p_actor's name: what a last heartbeat releases. One try: it does not wait for another
-- transaction that holds a task or its owner, and leaves the rest to the next rescue. Returns those attempts
-- (tasks.lease_token), for fairlane_core.noted_beats.
create function fairlane_core.requeue_lost_or_leave(p_lost fairlane_core.lost_task[], p_actor text)
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform fairlane_core.set_event_context(p_actor);
  perform fairlane_core.requeue_lost(p_lost);
  perform fairlane_core.set_event_context(null);
  return array(
    select t.lease_token
    from fairlane.tasks as t
      join unnest(p_lost) as l on l.task_id = t.id and l.lease_token = t.lease_token
    where t.status = 'In Progress'
  );
end;
$$;

-- Requeues running tasks, each with its reason, owner by owner in id order, and those of one owner in one statement. It
-- skips what has reported, ended or changed hands since it was read, and whatever somebody is changing: a task, a
-- relative of it, or its owner. It waits only briefly, and once: other owners are locked meanwhile.
-- Returns these tasks to the queue (or ends them Failed: after their last attempt, or when there is nothing left to
-- report) with their reasons, unless somebody holds them or their owners, and returns how many. An attempt that was
-- never delivered, whose token has ended, or whose worker or user's machine said goodbye or was sent home, is not
-- counted.
create function fairlane_core.requeue_lost(p_lost fairlane_core.lost_task[])
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '100ms' -- restored when the function ends; the effective value is set below
as $$
declare
  v_lost fairlane_core.lost_task[];
  v_count integer;
  v_total integer := 0;
begin
  perform fairlane_core.limit_lock_waits(0.4);
  perform set_config(
    'fairlane_core.mode',
    concat_ws(
      ' ',
      -- A task that never reached its worker, or whose worker was shut out, gets its attempt back.
      'forgives_starts',
      -- The holder of a lost task holds no slot; one that only takes too long may still be at work
      -- (fairlane_core.held_slots).
      (select string_agg('let_go:' || l.task_id, ' ') from unnest(p_lost) as l where l.cause <> 'timed_out'),
      -- A machine no longer works on what it named in its last heartbeat; others under its name may work on theirs.
      (
        select string_agg('gone:' || l.task_id, ' ')
        from unnest(p_lost) as l
        where l.cause in ('terminated', 'crashed')
          and exists (
            select from fairlane_core.noted_beats as b where b.worker_id = l.worker_id and l.lease_token = any (b.leases)
          )
      )
    ),
    true
  );
  for v_lost in
    select array_agg(l)
    from unnest(p_lost) as l
      join fairlane.tasks as t on t.id = l.task_id
    group by t.user_id
    order by t.user_id
  loop
    begin
      with held as (
        select t.id
        from fairlane.tasks as t
          join unnest(v_lost) as l on l.task_id = t.id
        where t.status = 'In Progress'
          and t.lease_token is not distinct from l.lease_token
          and t.reported_at is not distinct from l.reported_at
        order by t.id
        for no key update of t skip locked
      )
      update fairlane.tasks as t
      -- An orchestrator that has reported all it had to report would only repeat it.
      set status = case l.cause when 'enqueued_nothing' then 'Failed' else 'Queued' end,
        output_location = case l.cause when 'enqueued_nothing' then l.reason else t.output_location end,
        attempts = t.attempts - (
          l.cause in ('never_delivered', 'token_ended', 'terminated')
          -- Neither its goodbye nor the one who sent it home could release the task, because somebody held its owner.
          or l.cause in ('worker_ended', 'worker_silent') and exists (
            select from fairlane.workers as w
            where w.id = l.worker_id
              and (w.goodbye_at is not null or fairlane_core.is_taken_home(w, t))
          )
        )::integer,
        error_message = l.reason
      from held as h
        join unnest(v_lost) as l on l.task_id = h.id
      where t.id = h.id;
      get diagnostics v_count = row_count;
      v_total := v_total + v_count;
    exception when lock_not_available then
      perform set_config('lock_timeout', '1ms', true);
    end;
  end loop;
  perform set_config('fairlane_core.mode', '', true);
  return v_total;
end;
$$;

-- Whether this running task of an ended worker loses its attempt only because an orchestrator has sent the machine
-- home, through no fault of the task.
-- Sent home: the orchestrator set the row to terminated, or to terminating first, while the machine sent heartbeats,
-- with a termination_reason that names no fault. Then the machine's tasks are not to blame, whether the machine's own
-- goodbye comes before or after, which is chance. Narrow on purpose: an attempt is uncounted only where somebody says
-- why the machine was ended. Some orchestrators put the reason into error_reason, which also holds faults; there it
-- must be a known one: the machine was idle, or one too many. And machines are also switched off because of a task that
-- hangs: so the task must have been heard of within stuck_after.
create function fairlane_core.is_taken_home(p_worker fairlane.workers, p_task fairlane.tasks)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_fault constant text := '(stuck|\mh[ua]ng|frozen|stall|stale|silent|heartbeat|responsive|reachable|unhealthy|crash|fail|error|fatal|overlong|too.long|task.?time|\moom|memory)';
  v_given text := nullif(p_worker.metadata ->> 'termination_reason', '');
  v_error text := coalesce(p_worker.metadata ->> 'error_reason', '');
begin
  return p_worker.status in ('terminating', 'terminated')
    and p_worker.goodbye_at is null
    and p_worker.reaped_at is null
    and coalesce(v_given, v_error) !~* v_fault
    and (v_given is not null or v_error ~* '(idle|over.?capacity|scal(e|ed|ing)\M|surplus|no work)')
    and coalesce(
      fairlane_core.seen_at(p_worker.last_heartbeat, fairlane_core.now())
        > coalesce(p_worker.ended_at, fairlane_core.now()) - (select s.gpu_heartbeat_timeout from fairlane_core.settings as s)
        -- It fell silent while leaving: had it been silent before, it would have failed
        -- (fairlane_core.workers_before_write).
        or (p_worker.last_heartbeat is not null and p_worker.failed_at is null),
      false
    )
    and coalesce(
      fairlane_core.seen_at(greatest(p_task.claimed_at, p_task.reported_at), fairlane_core.now())
        > fairlane_core.now() - (select s.stuck_after from fairlane_core.settings as s),
      false
    );
end;
$$;

-- How the reaper sets a worker aside: to error with this reason, in a way that its next heartbeat reverts; false when
-- it is ending, had already ended or does not exist.
create function fairlane_core.mark_reaped(p_worker_id text, p_reason text)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update fairlane.workers as w
  set status = 'error',
    reaped_at = fairlane_core.now(),
    metadata = w.metadata || jsonb_build_object('error_reason', p_reason, 'error_time', fairlane_core.now())
  where w.id = p_worker_id
    and w.status <> 'terminating'
    and not fairlane_core.has_ended(w.status);
  return found;
end;
$$;
