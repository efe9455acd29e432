-- A task completes exactly once, and reports without effect leave a trace.

-- Completes a task exactly once (docs/architecture.md, "Endings"). Result, record, history, counters and dependents
-- change in one transaction; a repeat changes nothing and returns what is stored.
--
-- The plain case is one statement and a look: a worker with the service key sends the file of a task that it runs and
-- nothing hangs on. Everything else goes to fairlane_core.complete_general, which repeats the rules of the statement,
-- so a change of one needs a change of the other: the row is that of fairlane_core.tasks_before_update, the counters
-- those of fairlane_core.apply_counter_deltas, the record that of fairlane_core.record_generations, the reply
-- fairlane_core.task_reply. complete_task/plain_and_careful_completions_agree.test.sql compares the results.
-- See fairlane.complete_task.
create function fairlane_core.complete_task(
  p_caller jsonb,
  p_task_id uuid,
  p_output_location text,
  p_thumbnail_url text,
  p_result_data jsonb,
  p_lease_token uuid,
  p_description text,
  p_may_describe boolean default false
)
returns json
language plpgsql
volatile
security definer -- the queue's own path to Complete
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_owner_id uuid;
  v_reply json;
begin
  -- No output is a reason, a JSON object describes a file, and what is long is cut.
  if p_caller ->> 'kind' = 'service' and p_description is null and octet_length(p_output_location) <= 65536
    and ltrim(left(p_output_location, 100), E' \t\r\n') not like '{%'
    and coalesce(octet_length(p_thumbnail_url) <= 65536, true)
    -- A look first: a statement that finds nothing to do costs half of one that does.
    and (select t.status = 'In Progress' and t.takes_slot and t.token_id is null from fairlane.tasks as t where t.id = p_task_id)
    and not fairlane_core.has_relatives(p_task_id) then
    begin
      perform set_config('fairlane_core.mode', 'counts_itself', true);
      with done as (
        update fairlane.tasks as t
        set status = 'Complete',
          readiness = null,
          output_location = p_output_location,
          file_location = null,
          thumbnail_url = coalesce(p_thumbnail_url, t.thumbnail_url),
          result_data = case when p_result_data is null then t.result_data else fairlane_core.bounded_data(p_result_data) end,
          error_message = null,
          generation_processed_at = pg_catalog.now() + c.clock_offset,
          generation_created = t.params ->> 'skip_generation' is distinct from 'true'
            and exists (select from fairlane.task_types as y where y.name = t.task_type and y.creates_generation),
          params = case when jsonb_path_exists(t.params, '$.**.user_jwt') then fairlane_core.without_secrets(t.params) else t.params end,
          updated_at = pg_catalog.now() + c.clock_offset
        from fairlane_core.settings as c
        where t.id = p_task_id
          -- Not as a plain condition: the planner would take the index of running tasks, and read all of them.
          and coalesce(t.status, '') = 'In Progress'
          and (p_lease_token is null or t.lease_token = p_lease_token)
          and t.user_id is not null
          and t.token_id is null
          and t.takes_slot
          -- No record is named that this one belongs to (fairlane_core.generation_links).
          and not t.params ?| array['parent_generation_id', 'based_on']
        returning
          t.id, t.user_id, t.project_id, t.pool, t.task_type, t.params, t.worker_id, t.attempts, t.thumbnail_url, t.generation_created,
          t.updated_at
      ),
      slots as (
        update fairlane_core.user_slots as s
        set running = s.running - 1,
          cloud_reason = coalesce(nullif(s.cloud_reason, 'user_at_limit'), case when s.running - 1 >= s.task_limit then 'user_at_limit' end),
          local_reason = coalesce(nullif(s.local_reason, 'user_at_limit'), case when s.running - 1 >= s.task_limit then 'user_at_limit' end)
        where s.user_id = (select d.user_id from done as d)
        returning
          s.user_id, s.running, s.cloud_reason, s.running + s.orchestrating + s.remembered as turn_load,
          greatest(s.orchestration_limit - s.orchestrating, 0) as room
      ),
      -- The queue that the task was counted in, and another one with work, because the number of running tasks changes
      -- in each. A queue without work begins a new wait for a turn.
      queues as (
        update fairlane_core.user_queues as l
        set active_cloud = l.active_cloud - (l.pool = d.pool)::integer,
          running = s.running,
          turn_load = s.turn_load,
          orchestration_room = s.room,
          is_open = s.cloud_reason is null and (l.ready_cloud > 0 or (s.room > 0 and l.ready_cloud_orchestration > 0)),
          last_served_at = case when l.ready_cloud + l.ready_cloud_orchestration = 0 then d.updated_at else l.last_served_at end
        from done as d
          cross join slots as s
        where l.user_id = (select x.user_id from slots as x)
          and (l.pool = d.pool or l.ready_cloud + l.ready_cloud_orchestration > 0)
        returning l.pool
      ),
      event as (
        insert into fairlane.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor)
        select d.id, d.user_id, d.updated_at, 'In Progress', 'Complete', d.worker_id, d.attempts, 'service'
        from done as d
      ),
      record as (
        insert into fairlane.generations as g (task_id, project_id, user_id, type, location, thumbnail_url, params, created_at)
        select
          d.id, d.project_id, d.user_id, (select y.content_type from fairlane.task_types as y where y.name = d.task_type),
          p_output_location, d.thumbnail_url, d.params, d.updated_at
        from done as d
        where d.generation_created
        on conflict (task_id) do update
          set location = excluded.location,
            thumbnail_url = excluded.thumbnail_url,
            params = excluded.params
        returning g.id
      )
      select
        d.user_id,
        case
          when exists (select from queues as l where l.pool = d.pool) then json_build_object(
            'task_id', d.id,
            'status', 'Complete',
            'output_location', p_output_location,
            'public_url', p_output_location,
            'thumbnail_url', d.thumbnail_url,
            'error_message', null,
            'attempt', d.attempts,
            'generation_created', d.generation_created,
            'generation_id', coalesce((select r.id from record as r), (select g.id from fairlane.generations as g where g.task_id = d.id))
          )
        end
      into v_owner_id, v_reply
      from done as d;
      perform set_config('fairlane_core.mode', '', true);

      -- The owner is locked from here on, so nothing comes any more. What came while the statement waited for that lock
      -- it has not seen: relatives need locks that are taken before the owner's, a queue that is no longer empty needs
      -- the new number of running tasks.
      if v_owner_id is not null then
        if v_reply is null or fairlane_core.has_relatives(p_task_id) then
          raise sqlstate 'QU001' using message = 'This task was not plain; nothing was changed';
        elsif exists (
          select
          from fairlane_core.user_queues as l
          where l.user_id = v_owner_id
            and l.ready_cloud + l.ready_cloud_orchestration > 0
            and l.running <> (select s.running from fairlane_core.user_slots as s where s.user_id = v_owner_id)
        ) then
          perform fairlane_core.refresh_queues(array[v_owner_id]);
        end if;
      end if;
    exception
      when sqlstate 'QU001' then
        v_reply := null;
      when lock_not_available then
        -- Whoever holds a row of this owner is waited for below, longer; whoever holds a table has had his time.
        perform set_config('lock_timeout', '1ms', true);
    end;
    if v_reply is not null then
      return v_reply;
    end if;
  end if;

  return fairlane_core.complete_general(
    p_caller, p_task_id, p_output_location, p_thumbnail_url, p_result_data, p_lease_token, p_description, p_may_describe
  );
end;
$$;

-- Whether anything changes with the end of this task: what waits for it, the family that it is part of or has.
create function fairlane_core.has_relatives(p_task_id uuid)
returns boolean
language plpgsql
volatile -- sees what was committed while the caller waited
security invoker
set search_path = ''
as $$
begin
  return exists (select from fairlane_core.task_dependencies as d where d.depends_on = p_task_id)
    -- By its key: the other index holds the column too, and empty they look alike to the planner.
    or exists (select from fairlane_core.subtasks as s where s.task_id = p_task_id and s.seq > 0)
    or exists (select from fairlane_core.orchestrations as o where o.orchestrator_id = p_task_id);
end;
$$;

-- Every completion that is not plain (fairlane_core.complete_task): by a token or a user, late, repeated, described,
-- without an output, of a task that others wait for, that is part of something or has parts. Step by step, each checked
-- under its lock.
create function fairlane_core.complete_general(
  p_caller jsonb,
  p_task_id uuid,
  p_output_location text,
  p_thumbnail_url text,
  p_result_data jsonb,
  p_lease_token uuid,
  p_description text,
  p_may_describe boolean
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task fairlane.tasks := fairlane_core.lock_task_for(v_caller, p_task_id, 'Complete');
  v_is_late boolean := v_task.status = 'Queued';
  -- A JSON object next to the file, or after it: how deployed workers describe a transition (docs/fleet.md).
  v_has_description boolean := fairlane_core.json_object_of(p_description) is not null;
  v_late_text text := case when v_has_description then p_description when p_may_describe then p_output_location end;
  v_late_file text;
begin
  if p_lease_token is not null then
    perform fairlane_core.refuse_stale_lease(v_task, p_lease_token);
  end if;

  if v_task.status = 'In Progress' or (v_task.status = 'Queued' and v_task.claimed_at is not null) then
    perform fairlane_core.set_event_context(
      fairlane_core.caller_name(v_caller),
      case
        when v_task.status = 'Queued' then 'completed late, after the task was requeued'
        when p_output_location is null then 'completed without an output'
      end
    );
    if fairlane_core.is_holder(v_caller, v_task) then
      perform set_config('fairlane_core.mode', 'let_go:' || v_task.id, true);
    end if;
    update fairlane.tasks as t
    set status = 'Complete',
      output_location = case when v_has_description then p_description else p_output_location end,
      file_location = case when v_has_description then p_output_location end,
      thumbnail_url = coalesce(p_thumbnail_url, t.thumbnail_url),
      result_data = coalesce(p_result_data, t.result_data),
      error_message = null
    where t.id = v_task.id
    returning t.* into v_task;
    perform set_config('fairlane_core.mode', '', true);
    perform fairlane_core.set_event_context(null);
    if v_is_late then
      perform fairlane_core.let_go_by_report(v_caller, v_task.id);
    end if;
    return fairlane_core.task_reply(v_task);
  end if;

  if v_task.status = 'Queued' or (p_lease_token is not null and v_task.status <> 'Complete') then
    perform fairlane_core.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s and cannot become Complete', v_task.id, v_task.status),
      case when v_task.status = 'Queued' then 'Claim it first' else 'Drop this task; its end is final' end
    );
  end if;

  -- The file is stored but not described yet; the text must be about that very file.
  if v_task.status = 'Complete' and v_task.file_location is null and fairlane_core.is_holder(v_caller, v_task)
    and fairlane_core.json_object_of(v_late_text) is not null
    and fairlane_core.own_file(v_task.output_location, v_task.user_id, v_task.id) is not null then
    v_late_file := case
      when v_has_description then p_output_location
      else coalesce(
        fairlane_core.described_file(fairlane_core.json_object_of(v_late_text), v_task.user_id, v_task.id), v_task.output_location
      )
    end;
    if fairlane_core.own_file(v_late_file, v_task.user_id, v_task.id) = fairlane_core.own_file(v_task.output_location, v_task.user_id, v_task.id) then
      perform fairlane_core.record_report(v_task, v_caller, 'the result was described');
      update fairlane.tasks as t
      set output_location = v_late_text, file_location = v_task.output_location
      where t.id = v_task.id
      returning t.* into v_task;
      return fairlane_core.task_reply(v_task);
    end if;
  end if;

  perform fairlane_core.let_go_by_report(v_caller, v_task.id);
  -- Deployed workers cannot be told apart and repeat reports by design: they get 200, and the history records it.
  perform fairlane_core.record_report(
    v_task, v_caller,
    case v_task.status when 'Complete' then 'completed again, the first result stays' else 'completed after its end, not resurrected' end,
    json_strip_nulls(json_build_object('output_location', fairlane_core.cut_ends(p_output_location)))::jsonb
  );
  return fairlane_core.task_reply(v_task);
end;
$$;

-- A report that changed nothing still leaves a trace: an event in the task's history. A client that repeats itself for
-- ever must not fill it: after 20 in one status they are only counted. The last reported failure of an attempt is
-- always kept (fairlane_core.told_reason). The caller has locked the task.
create function fairlane_core.record_report(p_task fairlane.tasks, p_caller fairlane_core.caller, p_reason text, p_details jsonb default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_most constant integer := 20;
  v_counted constant text := 'further reports that changed nothing, only counted';
  v_count integer;
begin
  select count(*)
  into v_count
  from (
    select
    from fairlane.task_events as e
    where e.task_id = p_task.id
      and e.from_status = e.to_status
      and e.to_status = p_task.status
    limit v_most + 1
  ) as k;

  if v_count >= v_most and p_details ? 'held_back' then
    update fairlane.task_events as e
    set at = fairlane_core.now(), reason = p_reason, details = p_details
    where e.id = (
      select max(h.id)
      from fairlane.task_events as h
      where h.task_id = p_task.id
        and h.from_status = h.to_status
        and h.worker_id = p_task.worker_id
        and h.attempt = p_task.attempts
        and h.details ? 'held_back'
        and h.id > (
          select max(s.id)
          from fairlane.task_events as s
          where s.task_id = p_task.id
            and s.to_status = 'In Progress'
            and s.from_status is distinct from 'In Progress'
        )
    );
    if not found then
      v_count := 0;
    end if;
  end if;

  if v_count > v_most then
    update fairlane.task_events as e
    set details = jsonb_build_object('count', (e.details ->> 'count')::integer + 1, 'last_at', fairlane_core.now())
    where e.task_id = p_task.id
      and e.from_status = e.to_status
      and e.to_status = p_task.status
      and e.reason = v_counted;
    return;
  end if;

  insert into fairlane.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason, details)
  values (
    p_task.id, p_task.user_id, fairlane_core.now(), p_task.status, p_task.status, p_task.worker_id, p_task.attempts,
    fairlane_core.caller_name(p_caller),
    case v_count when v_most then v_counted else p_reason end,
    case v_count when v_most then jsonb_build_object('count', 1, 'last_at', fairlane_core.now()) else p_details end
  );
end;
$$;
