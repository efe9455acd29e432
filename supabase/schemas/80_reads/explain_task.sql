-- Why a task waits, what would have to change, and its place in the queue.

-- Why a task is not running, what would have to change, and its place in the queue.
-- See fairlane.explain_task.
create function fairlane_core.explain_task(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security definer -- reads the derived state
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
set enable_sort = off -- the queue comes in index order
set enable_bitmapscan = off -- a bitmap reads everything before the limit applies
as $$
declare
  v_limit constant integer := 10000;
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task fairlane.tasks;
  v_readiness text;
  v_is_unsettled boolean;
  v_slots fairlane_core.user_slots;
  v_queue fairlane_core.user_queues;
  v_pool text;
  v_reason text;
  v_ahead integer;
  v_rivals integer;
  v_users_ahead integer;
  v_now timestamptz := fairlane_core.now();
  v_old_before timestamptz := fairlane_core.stale_before();
  v_is_behind boolean := exists (select from fairlane_core.deferred_work as w where w.task_type is not null);
begin
  select t.*
  into v_task
  from fairlane.tasks as t
  where t.id = p_task_id
    and (v_caller.kind = 'service' or t.user_id = v_caller.user_id);
  if v_task.id is null then
    perform fairlane_core.refuse(404, 'TASK_NOT_FOUND', pg_catalog.format('There is no task %s', p_task_id));
  end if;

  -- Derived again: the stored value may be outdated by time.
  v_readiness := fairlane_core.task_readiness(v_task);
  -- Until a change has reached the task, claims and counts use its old state, and so does this.
  v_is_unsettled := v_task.status = 'Queued' and v_task.readiness in ('dependency_pending', 'dependency_lost', 'type_inactive') and (
    v_readiness = 'ready'
    or (v_readiness = 'dependency_lost' and exists (
      select
      from fairlane_core.task_dependencies as d
        join fairlane_core.deferred_work as w on w.task_id = d.depends_on
      where d.task_id = v_task.id
    ))
  );
  if v_is_unsettled and v_readiness = 'ready' then
    v_readiness := case v_task.readiness when 'type_inactive' then 'type_inactive' else 'dependency_pending' end;
  end if;
  select s.* into v_slots from fairlane_core.user_slots as s where s.user_id = v_task.user_id;
  select l.* into v_queue from fairlane_core.user_queues as l where l.user_id = v_task.user_id and l.pool = v_task.pool;

  v_reason := case
    when v_task.status <> 'Queued' then null
    when v_readiness in ('ready', 'stale') then coalesce(
      (select 'pool_paused' from fairlane_core.settings as c where v_task.pool = any (c.paused_pools)),
      fairlane_core.reason_of(v_slots, v_caller, v_task.run_type is distinct from 'local'),
      case when not v_task.takes_slot and v_slots.orchestrating >= v_slots.orchestration_limit then 'user_at_limit' end,
      nullif(v_readiness, 'ready')
    )
    else v_readiness
  end;

  -- The queue from which the owner's GPU machines take it, if that is not the queue of its pool.
  v_pool := case
    when fairlane_core.is_served_by(v_caller, 'gpu', v_task.pool, v_task.runs_on_own_gpu, v_task.run_type)
      and not exists (select from fairlane_core.settings as c where 'gpu' = any (c.paused_pools)) then 'gpu'
    else v_task.pool
  end;
  if v_readiness = 'ready' then
    -- The tasks before it are read in index order, and the limit bounds what is read, not only what is found: neither
    -- the tasks behind it nor stale ones before it are scanned.
    select least(count(*), v_limit), count(*) filter (where a.takes_slot = v_task.takes_slot)
    into v_ahead, v_rivals
    from (
      select kind.takes_slot
      from unnest(array[true, false]) as kind (takes_slot)
        cross join lateral (
          (
            select t.attempts, t.claimed_at, t.params, greatest(t.created_at, t.available_at, t.released_at) as since, t.task_type, t.pool, t.runs_on_own_gpu
            from fairlane.tasks as t
            where t.user_id = v_task.user_id
              and t.pool = v_pool
              and t.run_type = v_task.run_type
              and t.takes_slot = kind.takes_slot
              and t.readiness = 'ready'
              and t.priority > v_task.priority
            limit v_limit
          )
          union all
          (
            select t.attempts, t.claimed_at, t.params, greatest(t.created_at, t.available_at, t.released_at), t.task_type, t.pool, t.runs_on_own_gpu
            from fairlane.tasks as t
            where t.user_id = v_task.user_id
              and t.pool = v_pool
              and t.run_type = v_task.run_type
              and t.takes_slot = kind.takes_slot
              and t.readiness = 'ready'
              and t.priority = v_task.priority
              and (t.created_at, t.id) < (v_task.created_at, v_task.id)
            limit v_limit
          )
        ) as r
      where (
          r.attempts > 0
          or r.since >= v_old_before
          or not fairlane_core.is_stale(r.since, r.attempts > 0 or r.claimed_at is not null, r.params)
        )
        and not (v_is_behind and fairlane_core.is_behind_its_type(r.task_type, r.pool, kind.takes_slot, r.runs_on_own_gpu, 'ready'))
      union all
      -- Due, but not yet released. Among those of its own priority the order is their time, not that of the queue.
      select (d.task).takes_slot
      from (
        select q as task
        from fairlane.tasks as q
        where q.readiness = 'not_yet'
          and q.available_at <= v_now
          and q.user_id = v_task.user_id
          and q.pool = v_pool
          and q.run_type = v_task.run_type
          and q.priority >= v_task.priority
        order by q.priority desc, q.available_at
        limit v_limit
      ) as d
      where (d.task).id <> v_task.id
        and (-(d.task).priority::bigint, (d.task).created_at, (d.task).id) < (-v_task.priority::bigint, v_task.created_at, v_task.id)
        -- The rule is evaluated where more than the time could hold the task back.
        and (
          (not v_is_behind and (d.task).dependant_on is null and greatest((d.task).created_at, (d.task).available_at, (d.task).released_at) >= v_old_before)
          or fairlane_core.task_readiness(d.task) = 'ready'
        )
      union all
      -- What machines of the owner run of other pools is in one queue with gpu.
      select o.takes_slot
      from fairlane_core.own_gpu_queue(v_caller, v_pool, 1000) as o
      where o.run_type = v_task.run_type
        and not (v_is_behind and fairlane_core.is_behind_its_type(o.task_type, o.pool, o.takes_slot, o.runs_on_own_gpu, o.readiness))
        and (o.attempts > 0 or greatest(o.created_at, o.available_at, o.released_at) >= v_old_before or not fairlane_core.is_stale(greatest(o.created_at, o.available_at, o.released_at), o.attempts > 0 or o.claimed_at is not null, o.params))
        and (-o.priority::bigint, o.created_at, o.id) < (-v_task.priority::bigint, v_task.created_at, v_task.id)
      union all
      select e.takes_slot
      from fairlane_core.own_gpu_due(v_caller, v_pool, 1000) as e
      where e.run_type = v_task.run_type
        and e.pool <> all ((select c.paused_pools from fairlane_core.settings as c)::text[])
        and e.id <> v_task.id
        and (-e.priority::bigint, e.created_at, e.id) < (-v_task.priority::bigint, v_task.created_at, v_task.id)
        and fairlane_core.task_readiness(e) = 'ready'
    ) as a;

    -- The tasks before it use up the owner's limit: its turn comes when one of them has ended, as counts see it.
    if v_rivals >= (
      case
        when v_task.takes_slot then v_slots.task_limit - v_slots.running
        else v_slots.orchestration_limit - v_slots.orchestrating
      end
    ) then
      v_reason := coalesce(v_reason, 'user_at_limit');
    end if;

    -- An empty queue begins to wait when its first task is released.
    if v_queue.user_id is null or v_queue.ready_cloud + v_queue.ready_cloud_orchestration = 0 then
      v_queue.last_served_at := v_now;
    end if;

    select count(*)
    into v_users_ahead
    from (
      select
      from fairlane_core.user_queues as l
      where l.pool = v_task.pool
        and l.is_open
        and v_task.run_type = 'cloud' and v_caller.kind <> 'token' -- the user's own machine serves no other user
        and (l.turn_load, l.last_served_at) < (v_slots.running + v_slots.orchestrating + v_slots.remembered, v_queue.last_served_at)
      limit v_limit
    ) as u;
  end if;

  return json_build_object(
    'task_id', v_task.id,
    'status', v_task.status,
    'claimable', v_task.status = 'Queued' and v_reason is null,
    'reason', v_reason,
    'remedy', fairlane_core.remedy(coalesce(
        v_reason,
        case
          when v_task.status = 'Queued' then 'ready'
          when v_task.status = 'In Progress' and v_task.token_id is not null and not exists (
            select
            from fairlane.user_api_tokens as k
            where k.id = v_task.token_id
              and k.revoked_at is null
              and (k.expires_at is null or k.expires_at > v_now)
          ) then 'token_ended'
          else v_task.status
        end
      ))
      || case
        when v_is_unsettled and v_readiness = 'type_inactive' then '; it is on, and the task is released in turn, within a minute or so'
        when v_is_unsettled and v_readiness = 'dependency_pending' then ', and have: it is released in turn, within a minute or so'
        when v_is_unsettled then '; it ends for that in turn, within a minute or so'
        else ''
      end
      -- What only the fleet may not run, the owner's own machine may: usually one with a GPU, which claims for that
      -- pool.
      || case
        when v_caller.user_id is not null and v_reason in ('no_credits', 'cloud_disabled')
          and v_readiness = 'ready' and v_slots.local_reason is null then
            case
              when v_task.pool = 'gpu' or v_task.runs_on_own_gpu then '; the owner''s own machine can run it now'
              else pg_catalog.format('; a machine of the owner''s that claims for %s can run it now', v_task.pool)
            end
        else ''
      end
      -- Under a shared name only the machine itself can show that it runs the task.
      || coalesce(
        '; its machine shares the name ' || fairlane_core.sent_name(v_task.worker_id)
          || ' with others, and it is requeued unless one of them names it before ' || (to_json(fairlane_core.named_before(v_task)) #>> '{}'), ''
      ),
    'pool', v_task.pool,
    'runs_on_own_gpu', v_task.runs_on_own_gpu,
    'attempts', v_task.attempts,
    'max_attempts', fairlane_core.starts_allowed(v_task),
    'available_at', v_task.available_at,
    'worker_id', case v_caller.kind when 'service' then v_task.worker_id else fairlane_core.sent_name(v_task.worker_id) end,
    'tasks_ahead', v_ahead,
    'users_ahead', v_users_ahead,
    'running', v_slots.running,
    'task_limit', v_slots.task_limit,
    'orchestrating', v_slots.orchestrating,
    'orchestration_limit', v_slots.orchestration_limit,
    'held', (select count(*) from fairlane_core.held_slots as h where h.user_id = v_task.user_id and h.let_go_at is null),
    'waits_for', (
      select json_agg(json_build_object('task_id', d.depends_on, 'status', t.status))
      from fairlane_core.task_dependencies as d
        -- Somebody else's task counts as missing, and nothing is revealed about it.
        left join fairlane.tasks as t on t.id = d.depends_on and t.user_id is not distinct from v_task.user_id
      where d.task_id = v_task.id
        and t.status is distinct from 'Complete'
    )
  );
end;
$$;

-- What would have to change for a task with this reason (or ready, or this status) to run, in words.
create function fairlane_core.remedy(p_reason text)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case p_reason
    when 'ready' then 'Nothing: it runs when its owner''s turn comes and a worker claims'
    when 'no_owner' then 'Give it a project: it has no owner'
    when 'no_run_type' then 'An operator sets run_type to cloud or local, or cancels it: it is from before that column existed'
    when 'type_inactive' then 'Switch its type on in task_types'
    when 'not_yet' then 'Wait until available_at'
    when 'dependency_pending' then 'The tasks it waits for have to complete'
    when 'dependency_lost' then 'It can never run: a task it waits for failed, was cancelled or is missing'
    when 'pool_paused' then 'An operator takes its pool out of fairlane_core.settings.paused_pools'
    when 'no_credits' then 'Its owner needs credits'
    when 'cloud_disabled' then pg_catalog.format('Its owner switches settings.%s on', array_to_string(fairlane_core.switch_path('cloud'), '.'))
    when 'local_disabled' then pg_catalog.format('Its owner switches settings.%s on', array_to_string(fairlane_core.switch_path('local'), '.'))
    when 'user_at_limit' then 'One of its owner''s running tasks has to end (and, if others ended it, its worker let go), or the limit be raised'
    when 'stale' then 'Enqueue it again: it could have run for longer than fairlane_core.settings.stale_after and was never started'
    when 'token_ended' then 'Nothing: the token of its machine was revoked or has expired, so it is requeued within a minute'
    when 'In Progress' then 'Nothing: it is running'
    else 'Nothing: it has ended'
  end;
end;
$$;
