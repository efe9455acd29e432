-- One task of such a request: how it is read, which project it goes into, and which sent fields the queue does not use.

-- What a caller asks for, with its owner looked up. Only the service chooses age and owner.
-- Reads one requested task {task_id, task_type, family (whether the type was said so), params, project, depends_on,
-- run_type, priority, available_at, idempotency_key, max_attempts, timeout_seconds, created_at, user_id (its owner,
-- where owners need no project)} and finds its project and owner. Raises 403 FORBIDDEN when user_id is not that owner.
create function fairlane_core.read_task_request(p_caller fairlane_core.caller, p_body jsonb)
returns fairlane_core.task_request
language plpgsql
volatile -- gives an id to a task that came without one
security invoker
set search_path = ''
as $$
declare
  v_request fairlane_core.task_request := jsonb_populate_record(null::fairlane_core.task_request, p_body);
  v_project fairlane.projects;
begin
  if coalesce(v_request.task_type, '') = '' then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'A task must have a task_type');
  elsif v_request.task_id = any (v_request.depends_on) then
    perform fairlane_core.refuse(400, 'DEPENDENCY_CYCLE', 'A task cannot depend on itself');
  end if;

  v_request.task_id := coalesce(v_request.task_id, gen_random_uuid());
  v_request.params := fairlane_core.params_object(v_request.params);
  if p_caller.kind <> 'service' then
    v_request.created_at := null;
  end if;

  v_project := fairlane_core.project_for(p_caller, v_request);
  v_request.project_id := v_project.id;
  v_request.owner_id := coalesce(v_project.user_id, p_caller.user_id);
  if p_body ->> 'user_id' is not null and (select s.registers_owners from fairlane_core.settings as s) then
    v_request.owner_id := coalesce(v_request.owner_id, (p_body ->> 'user_id')::uuid);
    if v_request.owner_id <> (p_body ->> 'user_id')::uuid then
      perform fairlane_core.refuse(
        403, 'FORBIDDEN', 'The task would belong to another owner than user_id says',
        'Leave user_id out: the owner is that of the project, or whoever calls'
      );
    end if;
  end if;

  -- A family may be a client's name for a type.
  if p_body ->> 'family' is not null then
    v_request.task_type := coalesce(
      (
        select n.task_type
        from fairlane_core.family_names as n
        where n.family = v_request.task_type
          and (n.having_param = '' or v_request.params ? n.having_param)
          and (
            n.parent_type = ''
            or n.parent_type = (
              select t.task_type
              from fairlane.tasks as t
              where t.id = fairlane_core.parent_task_id(v_request.params)
                and t.user_id = v_request.owner_id
            )
          )
        order by n.parent_type desc, n.having_param desc
        limit 1
      ),
      v_request.task_type
    );
  end if;
  return v_request;
end;
$$;

-- The caller's project that a request names or, if that is no UUID, the first of these: the project of the orchestrator
-- in params, params.project_id, the project of a dependency, the caller's only project; null when there is none.
-- Deployed orchestrators sometimes know only "default_project_id"; their task then belongs where what it names belongs.
-- A call in a user's name reaches that user's projects only.
create function fairlane_core.project_for(p_caller fairlane_core.caller, p_request fairlane_core.task_request)
returns fairlane.projects
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_is_service constant boolean := p_caller.kind = 'service';
  v_project fairlane.projects;
begin
  if fairlane_core.is_uuid(p_request.project) then
    select p.*
    into v_project
    from fairlane.projects as p
    where p.id = p_request.project::uuid
      and p.deleted_at is null
      and (v_is_service or p.user_id = p_caller.user_id);
    return v_project;
  end if;

  select p.*
  into v_project
  from (
    select 1 as source, n.place, t.project_id
    from unnest(fairlane_core.named_parents(p_request.params)) with ordinality as n (id, place)
      join fairlane.tasks as t on t.id = n.id
    union all
    select 2, 1, case when fairlane_core.is_uuid(p_request.params ->> 'project_id') then (p_request.params ->> 'project_id')::uuid end
    union all
    -- A dependency of another owner can never be met.
    select 3, d.place, t.project_id
    from unnest(p_request.depends_on) with ordinality as d (id, place)
      join fairlane.tasks as t on t.id = d.id
    union all
    select 4, 1, (array_agg(o.id))[1]
    from fairlane.projects as o
    where o.user_id = p_caller.user_id
      and o.deleted_at is null
      and not v_is_service
      and not (select s.registers_owners from fairlane_core.settings as s)
    having count(*) = 1
  ) as l
    join fairlane.projects as p on p.id = l.project_id
  where (v_is_service or p.user_id = p_caller.user_id)
    and p.deleted_at is null
  order by l.source, l.place
  limit 1;
  return v_project;
end;
$$;

-- The task that already answers a request: the one with the same id, in any state, else, for its owner, the one with
-- the same idempotency key; null when the request is new. Raises 409 TASK_ID_TAKEN when the id belongs to another
-- owner's task.
create function fairlane_core.task_for_request(p_caller fairlane_core.caller, p_request fairlane_core.task_request)
returns fairlane.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_task fairlane.tasks;
begin
  select t.* into v_task from fairlane.tasks as t where t.id = p_request.task_id;

  -- Reveals only that the id is taken, which an insert would reveal too.
  if v_task.user_id <> p_request.owner_id or (v_task.id is not null and v_task.user_id is null and p_caller.kind <> 'service') then
    perform fairlane_core.refuse(
      409, 'TASK_ID_TAKEN',
      pg_catalog.format('The task id %s cannot be used', p_request.task_id),
      'Choose a new random id'
    );
  end if;

  if v_task.id is null and p_request.idempotency_key is not null then
    select t.*
    into v_task
    from fairlane.tasks as t
    where t.user_id = p_request.owner_id
      and t.idempotency_key = p_request.idempotency_key;
  end if;
  return v_task;
end;
$$;

-- Stores what an instance of an endpoint has counted. The names come from clients, so their number is bounded; a name
-- is dropped after thirty days to make room.
-- See fairlane.note_unused_fields.
create function fairlane_core.note_unused_fields(p_caller jsonb, p_endpoint text, p_counts jsonb)
returns void
language plpgsql
volatile
security definer -- the table is read by others, never written
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_kept_for constant interval := interval '30 days';
  v_most constant integer := 500;
begin
  perform fairlane_core.resolve_caller(p_caller, array['service']);

  delete from fairlane_core.unused_fields as u
  where u.last_at < v_now - v_kept_for;

  insert into fairlane_core.unused_fields as u (endpoint, field, calls, first_at, last_at)
  select p_endpoint, c.key, c.value::bigint, v_now, v_now
  from jsonb_each_text(p_counts) as c
  where length(c.key) <= 63
    and c.value ~ '^[0-9]{1,9}$'
    and (
      exists (select from fairlane_core.unused_fields as k where k.endpoint = p_endpoint and k.field = c.key)
      or (select count(*) from fairlane_core.unused_fields) < v_most
    )
  order by c.key -- two instances lock in the same order
  limit 50
  on conflict (endpoint, field) do update
    set calls = u.calls + excluded.calls, last_at = greatest(u.last_at, excluded.last_at);
end;
$$;

-- A plain write sent a column that is not stored. A function counts such fields and stores the count once a minute; a
-- trigger cannot keep a count, so this counts minutes in which one came. One transaction at a time writes, and nobody
-- waits for it.
create function fairlane_core.note_unused_column(p_table text, p_column text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_before timestamptz := v_now - interval '1 minute';
begin
  if exists (
      select from fairlane_core.unused_fields as u where u.endpoint = p_table and u.field = p_column and u.last_at > v_before
    )
    or not pg_try_advisory_xact_lock(hashtextextended('fairlane_core.unused_fields:' || p_table || ':' || p_column, 0)) then
    return;
  end if;
  insert into fairlane_core.unused_fields as u (endpoint, field, calls, first_at, last_at)
  values (p_table, p_column, 1, v_now, v_now)
  on conflict (endpoint, field) do update
    set calls = u.calls + 1, last_at = excluded.last_at
    where u.last_at <= v_before;
end;
$$;
