-- What: every function that changed with the bounds, the waits and the turns, as supabase/schemas/ has it.
-- Why: nothing that one user, one row or one client does may stop the others.
-- Back out: apply the same functions of the files before this one again.

set lock_timeout = '900ms';

drop function if exists public.get_completed_segments(jsonb, text, uuid);
drop function if exists public.get_orchestrator_children(jsonb, uuid);
drop function if exists queue.children_of(public.tasks, integer);
drop function if exists queue.get_completed_segments(jsonb, text, uuid);
drop function if exists queue.get_orchestrator_children(jsonb, uuid);

-- Puts dead letters back into the queue: the one way out of a final state. The starts so far stay counted, and the task
-- gets as many more as its type allows.
create or replace function queue.requeue_tasks(
  p_caller jsonb,
  p_task_ids uuid[],
  p_filter jsonb,
  p_limit integer,
  p_reason text,
  p_dry_run boolean
)
returns json
language plpgsql
volatile
security definer -- writes requeue_count, which no API role may
set search_path = ''
as $$
declare
  v_max constant integer := 1000;
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service']);
  v_limit integer := coalesce(p_limit, case when p_task_ids is null then 100 else v_max end);
  v_matching uuid[];
  v_ids uuid[];
  v_has_more boolean := false;
begin
  if v_limit not between 1 and v_max then
    perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The limit must be 1 to %s, not %s', v_max, p_limit));
  elsif (p_task_ids is null) = (p_filter is null) then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'Name the tasks by their ids or by a filter, one of the two');
  end if;

  if p_task_ids is not null then
    -- All that are named or none: those that were left out would be thought to run.
    v_matching := array(select distinct x.id from unnest(p_task_ids) as x (id) where x.id is not null);
    if cardinality(v_matching) > v_limit then
      perform queue.refuse(
        400, 'INVALID_ARGUMENT',
        pg_catalog.format('One call puts at most %s tasks back, %s are named; none was put back', v_limit, cardinality(v_matching)),
        pg_catalog.format('Name at most %s at a time, or use a filter and repeat while has_more is true', v_max)
      );
    end if;
  else
    v_matching := array(select x.id from queue.dead_letters(p_filter, v_limit + 1) as x);
    v_has_more := cardinality(v_matching) > v_limit;
    v_matching := v_matching[:v_limit];
  end if;

  -- What somebody else is just changing is left for the next call.
  select array_agg(l.id)
  into v_ids
  from (
    select t.id
    from public.tasks as t
    where t.id = any (v_matching)
      and t.status in ('Failed', 'Cancelled')
    order by t.id
    for no key update skip locked
  ) as l;

  if v_ids is not null and not coalesce(p_dry_run, false) then
    perform queue.say(queue.caller_name(v_caller), 'put back by an operator' || coalesce(': ' || queue.cut_text(nullif(p_reason, '')), ''));
    update public.tasks as t
    set status = 'Queued',
      requeue_count = t.requeue_count + 1,
      max_attempts = t.attempts + queue.max_attempts(t.task_type),
      available_at = null,
      output_location = null -- the reason of the failure, kept in error_message
    where t.id = any (v_ids);
    -- Tasks that were put back together may wait for one another, and children with a live parent are not stale.
    perform queue.ask_standing_again(
      v_ids
      || array(select d.task_id from queue.task_dependencies as d where d.depends_on = any (v_ids))
      || array(
        select s.task_id
        from queue.subtasks as s
          join public.tasks as t on t.id = s.task_id
        where s.orchestrator_id = any (v_ids)
          and t.standing = 'stale'
      )
    );
    perform queue.say(null);
  end if;

  return json_build_object(
    'requeued', case when p_dry_run then 0 else coalesce(cardinality(v_ids), 0) end,
    'matched', coalesce(cardinality(v_ids), 0),
    'task_ids', to_json(coalesce(v_ids, array[]::uuid[])),
    -- Not Failed or Cancelled, not there, or just being changed by somebody else.
    'passed_over', to_json(array(select m.id from unnest(v_matching) as m (id) where m.id <> all (coalesce(v_ids, array[]::uuid[])))),
    'has_more', v_has_more,
    'dry_run', coalesce(p_dry_run, false)
  );
end;
$$;

comment on function queue.requeue_tasks(jsonb, uuid[], jsonb, integer, text, boolean) is 'See public.requeue_tasks.';

revoke all on function queue.requeue_tasks(jsonb, uuid[], jsonb, integer, text, boolean) from public, anon, authenticated, service_role;

grant execute on function queue.requeue_tasks(jsonb, uuid[], jsonb, integer, text, boolean) to service_role;

-- Complete tasks that have nothing to show, and records that name another result than their task: from before the queue
-- recorded results itself, or from a hand in the tables. Nothing here can come about through the queue.
create or replace function queue.repair_generations(p_limit integer, p_dry_run boolean)
returns json
language plpgsql
volatile
security definer -- writes generation_created, which no API role may
set search_path = ''
as $$
declare
  v_missing uuid[];
  v_torn uuid[];
begin
  if p_limit is null or p_limit not between 1 and 10000 then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The limit must be 1 to 10000');
  end if;

  select array_agg(m.id)
  into v_missing
  from (
    select t.id
    from public.tasks as t
      join public.task_types as y on y.name = t.task_type and y.creates_generation
      left join public.generations as g on g.task_id = t.id
    where t.status = 'Complete'
      and g.id is null
      and queue.creates_generation(t.task_type, t.params)
      -- A repeated child that is Complete because the first one is shows the first one's record.
      and not exists (select from queue.subtasks as s where s.task_id = t.id and s.replaced_by is not null)
    order by t.id
    limit p_limit
    for no key update of t skip locked
  ) as m;

  select array_agg(w.id)
  into v_torn
  from (
    select t.id
    from public.tasks as t
      join public.generations as g on g.task_id = t.id
    where t.status = 'Complete'
      and g.location is distinct from t.output_location
    order by t.id
    limit p_limit
    for no key update of t skip locked
  ) as w;

  if not coalesce(p_dry_run, false) then
    perform queue.say('queue.repair_generations');
    update public.tasks as t set generation_created = true where t.id = any (v_missing) and not t.generation_created;
    perform queue.record_generations(v_missing || v_torn);
    insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason)
    select
      t.id, t.user_id, queue.now(), t.status, t.status, t.worker_id, t.attempts, 'queue.repair_generations',
      case when t.id = any (v_missing) then 'its result record was missing, and was made' else 'its result record named another result, and was mended' end
    from public.tasks as t
    where t.id = any (v_missing || v_torn);
    perform queue.say(null);
  end if;

  return json_build_object(
    'missing', coalesce(cardinality(v_missing), 0),
    'torn', coalesce(cardinality(v_torn), 0),
    'task_ids', to_json(coalesce(v_missing || v_torn, v_missing, v_torn, array[]::uuid[])),
    -- Perhaps: one more call finds out.
    'has_more', coalesce(greatest(cardinality(v_missing), cardinality(v_torn)) >= p_limit, false),
    'dry_run', coalesce(p_dry_run, false)
  );
end;
$$;

comment on function queue.repair_generations(integer, boolean) is 'See public.repair_generations.';

revoke all on function queue.repair_generations(integer, boolean) from public, anon, authenticated, service_role;

grant execute on function queue.repair_generations(integer, boolean) to service_role;

-- The tasks that name another one as their orchestrator. A family that the queue keeps count of is listed; one that had
-- ended before the queue did so, and one that has no child yet, is looked for among its owner's tasks since then. A day
-- more, because clocks are set back.
create or replace function queue.children_of(
  p_orchestrator public.tasks, p_limit integer, p_after_time timestamptz default null, p_after_id uuid default null
)
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if exists (select from queue.orchestrations as o where o.orchestrator_id = p_orchestrator.id) then
    return query
    select t.*
    from queue.subtasks as s
      join public.tasks as t on t.id = s.task_id
    where s.orchestrator_id = p_orchestrator.id
      and t.user_id = p_orchestrator.user_id
      and (p_after_id is null or (t.created_at, t.id) > (p_after_time, p_after_id))
    order by t.created_at, t.id
    limit p_limit;
    return;
  end if;

  return query
  select t.*
  from public.tasks as t
  where t.user_id = p_orchestrator.user_id
    and t.created_at >= p_orchestrator.created_at - interval '1 day'
    and queue.parent_task_id(t.params) = p_orchestrator.id
    and t.id <> p_orchestrator.id
    and (p_after_id is null or (t.created_at, t.id) > (p_after_time, p_after_id))
  order by t.created_at, t.id
  limit p_limit;
end;
$$;

comment on function queue.children_of(public.tasks, integer, timestamptz, uuid) is
  'Up to so many tasks of the same owner whose params name this one as their orchestrator, oldest first; only those after this time and id, if they are given.';

revoke all on function queue.children_of(public.tasks, integer, timestamptz, uuid) from public, anon, authenticated, service_role;

-- Dead letters back into the queue, as operators call it (docs/operations.md).
create or replace function public.requeue_tasks(
  p_task_ids uuid[] default null,
  p_filter jsonb default null,
  p_limit integer default null,
  p_reason text default null,
  p_dry_run boolean default false,
  p_caller jsonb default '{"kind":"service"}'
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.requeue_tasks(p_caller, p_task_ids, p_filter, p_limit, p_reason, p_dry_run);
end;
$$;

comment on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) is
  'Puts Failed or Cancelled tasks back into the queue, named by ids or by a filter {status, task_type, user_id, project_id, worker_id, error_contains, ended_since, ended_before}; all of the ids (at most 1000 at once, or p_limit: more are refused before anything changes), or of a filter at most p_limit (1 to 1000, default 100) per call, the longest dead first: has_more says that others match, too. Each keeps its attempts and gets as many more as its type allows; the reason is in its history. Out: {requeued, matched, task_ids, passed_over, has_more, dry_run}; passed_over are those that are not Failed or Cancelled, not there, or that somebody is just changing. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

revoke all on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) from public, anon, authenticated, service_role;

grant execute on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) to service_role;

-- Results that were never recorded, as operators mend them (docs/operations.md).
create or replace function public.repair_generations(p_limit integer default 1000, p_dry_run boolean default false)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.repair_generations(p_limit, p_dry_run);
end;
$$;

comment on function public.repair_generations(integer, boolean) is
  'Finds Complete tasks of a type that records generations which have none, and generations whose location is not their task''s output, up to p_limit of each (1 to 10000; has_more says that another call may find more), and mends them. Safe to repeat. Out: {missing, torn, task_ids, has_more, dry_run}. Errors: 400 INVALID_ARGUMENT. service_role only.';

revoke all on function public.repair_generations(integer, boolean) from public, anon, authenticated, service_role;

grant execute on function public.repair_generations(integer, boolean) to service_role;

-- The finished segments of a run, for the worker that puts them together.
create or replace function queue.get_completed_segments(p_caller jsonb, p_run_id text, p_project_id uuid, p_after_index integer)
returns json
language plpgsql
stable
security definer -- looks up the caller's token
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_most constant integer := 10000;
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
begin
  return (
    select coalesce(
      json_agg(
        json_build_object('segment_index', s.segment_index, 'output_location', s.output_location)
        order by s.segment_index
      ),
      '[]'
    )
    from (
      -- A segment that was made again: the newest counts.
      select distinct on (n.segment_index) n.segment_index, t.output_location
      from public.tasks as t
        cross join lateral (
          select substring(t.params ->> 'segment_index' from '^[0-9]{1,9}$')::integer
        ) as n (segment_index)
      where t.status = 'Complete'
        and t.task_type = 'travel_segment'
        and left(t.params ->> 'orchestrator_run_id', 128) = left(p_run_id, 128) -- as the index has it
        and t.params ->> 'orchestrator_run_id' = p_run_id
        and (v_caller.kind = 'service' or t.user_id = v_caller.user_id)
        and (p_project_id is null or t.project_id = p_project_id)
        and n.segment_index > coalesce(p_after_index, -1)
        and t.output_location <> ''
      order by n.segment_index, t.generation_processed_at desc nulls last, t.created_at desc, t.id
      limit v_most
    ) as s
  );
end;
$$;

comment on function queue.get_completed_segments(jsonb, text, uuid, integer) is 'See public.get_completed_segments.';

revoke all on function queue.get_completed_segments(jsonb, text, uuid, integer) from public, anon, authenticated, service_role;

grant execute on function queue.get_completed_segments(jsonb, text, uuid, integer) to service_role;

-- The tasks that an orchestrator has enqueued, so that it does not enqueue them twice.
create or replace function queue.get_orchestrator_children(p_caller jsonb, p_orchestrator_task_id uuid, p_after text)
returns json
language plpgsql
stable
security definer -- looks up the caller's token
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_most constant integer := 1000;
  v_most_bytes constant integer := 32 * 1024 * 1024;
  v_orchestrator public.tasks := queue.readable_task(
    queue.resolve_caller(p_caller, array['service', 'token', 'user']), p_orchestrator_task_id
  );
  v_after_time timestamptz;
  v_after_id uuid;
  v_tasks json;
  v_found integer;
  v_told integer;
  v_last text;
begin
  if p_after is not null then
    begin
      v_after_time := split_part(p_after, ',', 1)::timestamp at time zone 'UTC';
      v_after_id := split_part(p_after, ',', 2)::uuid;
    exception when data_exception then
      perform queue.refuse(
        400, 'INVALID_ARGUMENT', 'after is not the next of an earlier reply',
        'Send next as it came, or leave after out to begin at the front'
      );
    end;
  end if;

  with child as (
    select c.*
    from queue.children_of(v_orchestrator, v_most + 1, v_after_time, v_after_id) as c
  ),
  -- Params may be large, and the reply is made in the memory of the database.
  measured as (
    select
      c.*,
      row_number() over in_order as place,
      sum(octet_length(c.params::text) + coalesce(octet_length(c.output_location), 0)) over in_order as bytes
    from child as c
    window in_order as (order by c.created_at, c.id)
  ),
  -- The first one always: whoever asks for the rest must come on.
  told as (
    select m.*, m.place <= v_most and (m.bytes <= v_most_bytes or m.place = 1) as is_told
    from measured as m
  )
  select
    coalesce(
      json_agg(
        json_build_object(
          'id', m.id, 'task_type', m.task_type, 'status', m.status, 'params', m.params,
          'output_location', m.output_location
        )
        order by m.place
      ) filter (where m.is_told),
      '[]'
    ),
    count(*),
    count(*) filter (where m.is_told),
    (array_agg(pg_catalog.format('%s,%s', m.created_at at time zone 'UTC', m.id) order by m.place desc) filter (where m.is_told))[1]
  into v_tasks, v_found, v_told, v_last
  from told as m;

  return json_build_object('tasks', v_tasks, 'is_cut', v_told < v_found, 'next', case when v_told < v_found then v_last end);
end;
$$;

comment on function queue.get_orchestrator_children(jsonb, uuid, text) is 'See public.get_orchestrator_children.';

revoke all on function queue.get_orchestrator_children(jsonb, uuid, text) from public, anon, authenticated, service_role;

grant execute on function queue.get_orchestrator_children(jsonb, uuid, text) to service_role;

-- The finished segments of a run, as functions ask it.
create or replace function public.get_completed_segments(
  p_caller jsonb, p_run_id text, p_project_id uuid default null, p_after_index integer default null
)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.get_completed_segments(p_caller, p_run_id, p_project_id, p_after_index);
end;
$$;

comment on function public.get_completed_segments(jsonb, text, uuid, integer) is
  '[{segment_index, output_location}] of the Complete travel_segments whose params.orchestrator_run_id is p_run_id as text, in order, one per index, the newest; at most 10000, those above p_after_index. Tokens and users: their own. Errors: 403. service_role only.';

revoke all on function public.get_completed_segments(jsonb, text, uuid, integer) from public, anon, authenticated, service_role;

grant execute on function public.get_completed_segments(jsonb, text, uuid, integer) to service_role;

-- The tasks that an orchestrator has enqueued, as functions ask it.
create or replace function public.get_orchestrator_children(p_caller jsonb, p_orchestrator_task_id uuid, p_after text default null)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.get_orchestrator_children(p_caller, p_orchestrator_task_id, p_after);
end;
$$;

comment on function public.get_orchestrator_children(jsonb, uuid, text) is
  '{tasks: [{id, task_type, status, params, output_location}], is_cut, next}: the tasks of the same owner whose params.orchestrator_task_id_ref is this task, oldest first; at most 1000 and 32 MiB, is_cut says that there are more, and next is the p_after that gets them. Errors: 400 INVALID_ARGUMENT, 404 TASK_NOT_FOUND, 403. service_role only.';

revoke all on function public.get_orchestrator_children(jsonb, uuid, text) from public, anon, authenticated, service_role;

grant execute on function public.get_orchestrator_children(jsonb, uuid, text) to service_role;
