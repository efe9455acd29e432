-- Enqueuing by function: one task or many, all or none.

-- Enqueues tasks, all of them or none (docs/architecture.md, "Enqueuing"). A task that was already enqueued under the
-- same id or key is returned in its current state: the reply to the first request may have been lost.
-- See fairlane.create_tasks.
create function fairlane_core.create_tasks(p_caller jsonb, p_tasks jsonb)
returns json
language plpgsql
volatile
security definer -- the queue's own way of enqueuing
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_requests fairlane_core.task_request[];
  v_new fairlane_core.task_request[] := array[]::fairlane_core.task_request[];
  v_request fairlane_core.task_request;
  v_task fairlane.tasks;
  v_replies json[] := array[]::json[];
  v_created uuid[] := array[]::uuid[];
  -- Ids of this batch, and the existing tasks with the same keys.
  v_sent uuid[] := array[]::uuid[];
  v_known uuid[] := array[]::uuid[];
begin
  if jsonb_typeof(p_tasks) is distinct from 'array' or jsonb_array_length(p_tasks) not between 1 and 1000 then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'A batch must hold 1 to 1000 tasks', 'Send several batches');
  end if;

  perform fairlane_core.open_tables(false);

  select array_agg(fairlane_core.read_task_request(v_caller, b.body) order by b.place)
  into v_requests
  from jsonb_array_elements(p_tasks) with ordinality as b (body, place);

  -- Requests of one owner are processed one after the other: if the same id or key is sent twice at once, the second
  -- finds the first. Taken before any row, in one order, by nothing else; so it cannot deadlock.
  perform pg_advisory_xact_lock(l.key)
  from (
    select distinct hashtextextended('enqueue:' || r.owner_id, 0) as key
    from unnest(v_requests) as r
    where r.owner_id is not null
    order by 1
  ) as l;

  foreach v_request in array v_requests loop
    v_task := fairlane_core.task_for_request(v_caller, v_request);
    if v_task.id is null then
      perform fairlane_core.refuse_homeless_task(v_request);
      perform fairlane_core.refuse_raised_limits(v_caller, v_request);
      v_new := v_new || v_request;
    elsif v_task.id <> v_request.task_id then
      v_sent := v_sent || v_request.task_id;
      v_known := v_known || v_task.id;
    end if;
  end loop;

  if cardinality(v_new) > 0 then
    if cardinality(v_sent) > 0 then
      for v_place in 1..cardinality(v_new) loop
        v_new[v_place].depends_on := array(
          select coalesce(v_known[array_position(v_sent, d.id)], d.id)
          from unnest(v_new[v_place].depends_on) with ordinality as d (id, place)
          order by d.place
        );
      end loop;
    end if;

    perform fairlane_core.set_event_context(fairlane_core.caller_name(v_caller));
    v_created := fairlane_core.insert_requested_tasks(v_new);
    perform fairlane_core.set_event_context(null);
  end if;

  foreach v_request in array v_requests loop
    v_task := fairlane_core.task_for_request(v_caller, v_request);
    if v_task.id is null then
      perform fairlane_core.refuse(
        503, 'UNAVAILABLE', pg_catalog.format('Task %s was created and deleted at this moment', v_request.task_id), 'Repeat the same request'
      );
    end if;
    v_replies := v_replies || fairlane_core.created_reply(v_task, v_task.id = any (v_created));
  end loop;
  return array_to_json(v_replies);
end;
$$;

-- Every task needs an owner: 404 PROJECT_NOT_FOUND or 400 PROJECT_REQUIRED when the request leads to no project of the
-- caller; where owners need no project, 400 OWNER_UNKNOWN when it names neither.
create function fairlane_core.refuse_homeless_task(p_request fairlane_core.task_request)
returns void
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if p_request.project_id is not null then
    return;
  elsif coalesce(p_request.project, '') = '' and (select s.registers_owners from fairlane_core.settings as s) then
    if p_request.owner_id is null then
      perform fairlane_core.refuse(400, 'OWNER_UNKNOWN', 'Neither a project nor user_id says whose task it is', 'Send user_id, or the UUID of a project');
    end if;
    return;
  elsif fairlane_core.is_uuid(p_request.project) then
    perform fairlane_core.refuse(
      404, 'PROJECT_NOT_FOUND',
      pg_catalog.format('There is no project %s', p_request.project),
      'Check the id and whose token is used'
    );
  end if;
  perform fairlane_core.refuse(
    400, 'PROJECT_REQUIRED',
    pg_catalog.format(
      'The project_id %s is no UUID, and neither params nor dependencies lead to a project',
      coalesce(to_json(left(p_request.project, 100))::text, 'null')
    ),
    'Send the project''s UUID, or the parent in params.' || fairlane_core.parent_key()
  );
end;
$$;

-- Attempts and time of a task are machine time: a user or token may ask for less than the task's type allows, never for
-- more (400 INVALID_ARGUMENT).
create function fairlane_core.refuse_raised_limits(p_caller fairlane_core.caller, p_request fairlane_core.task_request)
returns void
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_max_attempts integer;
  v_timeout interval;
begin
  if p_caller.kind = 'service' then
    return;
  end if;

  v_max_attempts := fairlane_core.max_attempts(p_request.task_type);
  if p_request.max_attempts > v_max_attempts then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format(
        'The max_attempts of a task of type %s must be at most %s, not %s',
        p_request.task_type, v_max_attempts, p_request.max_attempts
      ),
      'Leave it out for the type''s'
    );
  end if;

  select y.timeout into v_timeout from fairlane.task_types as y where y.name = p_request.task_type;
  if make_interval(secs => p_request.timeout_seconds) > v_timeout then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format(
        'The timeout_seconds of a task of type %s must be at most %s, not %s',
        p_request.task_type, extract(epoch from v_timeout)::bigint, p_request.timeout_seconds
      ),
      'Leave it out for the type''s'
    );
  end if;
end;
$$;

-- Inserts requested tasks with all their dependencies and returns the ids of those that are new. In one statement, so
-- that each counter changes once, and in id order, so that two batches with the same ids do not deadlock.
create function fairlane_core.insert_requested_tasks(p_requests fairlane_core.task_request[])
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_created uuid[];
  v_waiting uuid[];
begin
  with new_task as (
    insert into fairlane.tasks (
      id, task_type, params, project_id, user_id, dependant_on, run_type, priority, available_at, idempotency_key,
      max_attempts, timeout, created_at
    )
    select
      n.task_id, n.task_type, n.params, n.project_id, n.owner_id, n.depends_on[1], coalesce(n.run_type, 'cloud'),
      coalesce(n.priority, 0), n.available_at, n.idempotency_key, n.max_attempts,
      make_interval(secs => n.timeout_seconds),
      -- Tasks of one batch keep their order in the queue.
      coalesce(n.created_at, fairlane_core.now() + (n.place - 1) * interval '1 microsecond')
    from unnest(p_requests) with ordinality as n (
      task_id, task_type, params, project, depends_on, run_type, priority, available_at, idempotency_key,
      max_attempts, timeout_seconds, created_at, project_id, owner_id, place
    )
    order by n.task_id
    -- Inserted a moment ago by a direct write.
    on conflict do nothing
    returning id
  )
  select array_agg(t.id) into v_created from new_task as t;

  -- The row itself contains the first dependency. Nobody sees the row before the others exist.
  insert into fairlane_core.task_dependencies (task_id, depends_on)
  select distinct n.task_id, d.id
  from unnest(p_requests) as n
    cross join unnest(n.depends_on) as d (id)
  where n.task_id = any (v_created)
  on conflict do nothing;

  select array_agg(n.task_id)
  into v_waiting
  from unnest(p_requests) as n
  where n.task_id = any (v_created)
    and cardinality(n.depends_on) > 1;
  if v_waiting is not null then
    perform fairlane_core.refuse_cycles(v_waiting);
    perform fairlane_core.recompute_readiness(v_waiting);
  end if;
  return coalesce(v_created, array[]::uuid[]);
end;
$$;

-- The reply of create-task for one task, new (created) or not: task_id, status, created, task_type, project_id,
-- dependant_on, run_type, priority, available_at, idempotency_key, output_location, created_at. Without params: the
-- caller has them.
create function fairlane_core.created_reply(p_task fairlane.tasks, p_is_new boolean)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return json_build_object(
    'task_id', p_task.id,
    'status', p_task.status,
    'created', p_is_new,
    'task_type', p_task.task_type,
    'project_id', p_task.project_id,
    'dependant_on', p_task.dependant_on,
    'run_type', p_task.run_type,
    'priority', p_task.priority,
    'available_at', p_task.available_at,
    'idempotency_key', p_task.idempotency_key,
    'output_location', p_task.output_location,
    'created_at', p_task.created_at
  );
end;
$$;
