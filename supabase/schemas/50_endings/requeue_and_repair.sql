-- The only way out of a final state; and results that are missing or differ from their task.

-- Returns dead letters to the queue: the only way out of a final state. Earlier attempts stay counted, and the task
-- gets as many more as its type allows.
-- See fairlane.requeue_tasks.
create function fairlane_core.requeue_tasks(
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
set plan_cache_mode = force_generic_plan -- a plan for an empty list of ids may read all there is
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_max constant integer := 1000;
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service']);
  v_limit integer := coalesce(p_limit, case when p_task_ids is null then 100 else v_max end);
  v_matching uuid[];
  v_ids uuid[];
  v_has_more boolean := false;
begin
  perform fairlane_core.open_tables(true);
  if v_limit not between 1 and v_max then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The limit must be 1 to %s, not %s', v_max, p_limit));
  elsif (p_task_ids is null) = (p_filter is null) then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'Name the tasks by their ids or by a filter, one of the two');
  end if;

  if p_task_ids is not null then
    -- All named tasks or none: the caller would assume that the omitted ones run.
    v_matching := array(select distinct x.id from unnest(p_task_ids) as x (id) where x.id is not null);
    if cardinality(v_matching) > v_limit then
      perform fairlane_core.refuse(
        400, 'INVALID_ARGUMENT',
        pg_catalog.format('One call requeues at most %s tasks, but %s are named; none was requeued', v_limit, cardinality(v_matching)),
        pg_catalog.format('Name at most %s at a time, or use a filter and repeat while has_more is true', v_max)
      );
    end if;
  else
    v_matching := array(select x.id from fairlane_core.dead_letters(p_filter, v_limit + 1) as x);
    v_has_more := cardinality(v_matching) > v_limit;
    v_matching := v_matching[:v_limit];
  end if;

  -- A task that somebody else is changing is left for the next call.
  select array_agg(l.id)
  into v_ids
  from (
    select t.id
    from fairlane.tasks as t
    where t.id = any (v_matching)
      and t.status in ('Failed', 'Cancelled')
    order by t.id
    for no key update skip locked
  ) as l;

  if v_ids is not null and not coalesce(p_dry_run, false) then
    perform fairlane_core.set_event_context(fairlane_core.caller_name(v_caller), 'requeued by an operator' || coalesce(': ' || fairlane_core.cut_text(nullif(p_reason, '')), ''));
    update fairlane.tasks as t
    set status = 'Queued',
      requeue_count = t.requeue_count + 1,
      max_attempts = t.attempts + fairlane_core.max_attempts(t.task_type),
      available_at = null,
      output_location = null -- the reason of the failure, also kept in error_message
    where t.id = any (v_ids);
    -- Tasks requeued together may wait for one another, and children with a live parent are not stale.
    perform fairlane_core.recompute_readiness(
      v_ids
      || array(
        select s.task_id
        from fairlane_core.subtasks as s
          join fairlane.tasks as t on t.id = s.task_id
        where s.orchestrator_id = any (v_ids)
          and t.readiness = 'stale'
      )
    );
    perform fairlane_core.unblock_dependents(v_ids, v_ids);
    perform fairlane_core.set_event_context(null);
  end if;

  return json_build_object(
    'requeued', case when p_dry_run then 0 else coalesce(cardinality(v_ids), 0) end,
    'matched', coalesce(cardinality(v_ids), 0),
    'task_ids', to_json(coalesce(v_ids, array[]::uuid[])),
    -- Not Failed or Cancelled, missing, or being changed by somebody else.
    'passed_over', to_json(array(select m.id from unnest(v_matching) as m (id) where m.id <> all (coalesce(v_ids, array[]::uuid[])))),
    'has_more', v_has_more,
    'dry_run', coalesce(p_dry_run, false)
  );
end;
$$;

-- The dead letters that a filter selects, the oldest failure first. An unknown key is refused: a typing error must not
-- widen the selection.
-- Returns up to p_limit tasks that ended Failed (or Cancelled, if asked for) and match every key of the filter; 400
-- INVALID_ARGUMENT for an empty filter or an unknown key.
create function fairlane_core.dead_letters(p_filter jsonb, p_limit integer)
returns setof fairlane.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_unknown text[];
begin
  if jsonb_typeof(p_filter) <> 'object' then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The filter must be a JSON object');
  end if;

  select array_agg(k.name order by k.name)
  into v_unknown
  from jsonb_object_keys(p_filter) as k (name)
  where k.name not in (
    'status', 'task_type', 'user_id', 'project_id', 'worker_id', 'error_contains', 'ended_since', 'ended_before'
  );

  if v_unknown is not null or p_filter = '{}' then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      coalesce('The filter does not know ' || array_to_string(v_unknown, ', '), 'The filter names nothing'),
      'Filter by status (Failed or Cancelled), task_type, user_id, project_id, worker_id, error_contains, ended_since, ended_before'
    );
  elsif coalesce(p_filter ->> 'status', 'Failed') not in ('Failed', 'Cancelled') then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('Only Failed and Cancelled tasks can be requeued, not %s', p_filter ->> 'status')
    );
  end if;

  return query
  select t.*
  from fairlane.tasks as t
  where t.status = coalesce(p_filter ->> 'status', 'Failed')
    and (p_filter ->> 'task_type' is null or t.task_type = p_filter ->> 'task_type')
    and (p_filter ->> 'user_id' is null or t.user_id = (p_filter ->> 'user_id')::uuid)
    and (p_filter ->> 'project_id' is null or t.project_id = (p_filter ->> 'project_id')::uuid)
    and (p_filter ->> 'worker_id' is null or t.worker_id = p_filter ->> 'worker_id')
    and (p_filter ->> 'error_contains' is null or strpos(lower(t.error_message), lower(p_filter ->> 'error_contains')) > 0)
    and (p_filter ->> 'ended_since' is null or t.updated_at >= (p_filter ->> 'ended_since')::timestamptz)
    and (p_filter ->> 'ended_before' is null or t.updated_at < (p_filter ->> 'ended_before')::timestamptz)
  order by t.updated_at, t.id
  limit p_limit;
exception
  when invalid_text_representation or datetime_field_overflow or invalid_datetime_format then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'A value of the filter is not a valid id or time: ' || sqlerrm);
end;
$$;

-- Complete tasks without a result record, and records with another result than their task: from before the queue
-- recorded results itself, or edited by hand. The queue itself cannot cause either.
--
-- What the app did on purpose stays. If a task says that its record was made (generation_created) and has none, the app
-- deleted it; a record elsewhere than its task's output was moved there. Both might still be faults, which no row can
-- show: they are listed, and repaired only if named.
-- See fairlane.repair_generations.
create function fairlane_core.repair_generations(p_limit integer, p_dry_run boolean, p_task_ids uuid[])
returns json
language plpgsql
volatile
security definer -- writes generation_created, which no API role may
set search_path = ''
set plan_cache_mode = force_generic_plan -- a plan for an empty list of ids may read all there is
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_missing uuid[];
  v_torn uuid[];
  v_doubtful uuid[];
begin
  perform fairlane_core.open_tables(true);
  if p_limit is null or p_limit not between 1 and 10000 then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The limit must be 1 to 10000');
  end if;
  if cardinality(p_task_ids) > p_limit then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT', pg_catalog.format('%s ids are more than the limit of %s', cardinality(p_task_ids), p_limit)
    );
  end if;

  select array_agg(m.id)
  into v_missing
  from (
    select t.id
    from fairlane.tasks as t
      join fairlane.task_types as y on y.name = t.task_type and y.creates_generation
      left join fairlane.generations as g on g.task_id = t.id
    where t.status = 'Complete'
      and g.id is null
      and case when p_task_ids is null then not t.generation_created else t.id = any (p_task_ids) end
      and fairlane_core.creates_generation(t.task_type, t.params)
      -- A repeated child that is Complete because of the first one shows the first one's record.
      and not exists (select from fairlane_core.subtasks as s where s.task_id = t.id and s.replaced_by is not null)
    order by t.id
    limit p_limit
    for no key update of t skip locked
  ) as m;

  select array_agg(w.id)
  into v_torn
  from (
    select t.id
    from fairlane.tasks as t
      join fairlane.generations as g on g.task_id = t.id
    where t.status = 'Complete'
      and t.id = any (p_task_ids)
      and g.location is distinct from coalesce(t.file_location, t.output_location)
    order by t.id
    for no key update of t skip locked
  ) as w;

  if p_task_ids is null then
    select array_agg(d.id)
    into v_doubtful
    from (
      select t.id
      from fairlane.tasks as t
        left join fairlane.generations as g on g.task_id = t.id
      where t.status = 'Complete'
        and case
          when g.id is not null then g.location is distinct from coalesce(t.file_location, t.output_location)
          else t.generation_created and fairlane_core.creates_generation(t.task_type, t.params)
        end
      order by t.id
      limit p_limit
    ) as d;
  end if;

  if not coalesce(p_dry_run, false) then
    perform fairlane_core.set_event_context('fairlane_core.repair_generations');
    update fairlane.tasks as t set generation_created = true where t.id = any (v_missing) and not t.generation_created;
    perform fairlane_core.record_generations(v_missing || v_torn);
    insert into fairlane.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason)
    select
      t.id, t.user_id, fairlane_core.now(), t.status, t.status, t.worker_id, t.attempts, 'fairlane_core.repair_generations',
      case when t.id = any (v_missing) then 'its result record was missing, and was created' else 'its result record named another result, and was repaired' end
    from fairlane.tasks as t
    where t.id = any (v_missing || v_torn);
    perform fairlane_core.set_event_context(null);
  end if;

  return json_build_object(
    'missing', coalesce(cardinality(v_missing), 0),
    'torn', coalesce(cardinality(v_torn), 0),
    'task_ids', to_json(coalesce(v_missing || v_torn, v_missing, v_torn, array[]::uuid[])),
    'doubtful_ids', to_json(coalesce(v_doubtful, array[]::uuid[])),
    -- Possibly: one more call finds out.
    'has_more', p_task_ids is null and coalesce(cardinality(v_missing) >= p_limit, false),
    'dry_run', coalesce(p_dry_run, false)
  );
end;
$$;
