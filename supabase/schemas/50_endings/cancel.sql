-- Ends that callers request, of one task or of many.

-- A failure that may be retried: the task returns to the queue with a growing wait until its attempts are used up, then
-- it ends Failed. update_task_status with Failed, which deployed workers send, is final.
-- See fairlane.mark_task_failed.
create function fairlane_core.mark_task_failed(
  p_caller jsonb,
  p_task_id uuid,
  p_error_message text,
  p_error_details text,
  p_retryable boolean,
  p_lease_token uuid
)
returns json
language plpgsql
volatile
security definer -- the queue's own path to Failed and back to the queue
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task fairlane.tasks := fairlane_core.lock_task_for(v_caller, p_task_id, 'Failed');
  v_reply jsonb;
begin
  if p_lease_token is not null then
    perform fairlane_core.refuse_stale_lease(v_task, p_lease_token);
  end if;

  v_reply := fairlane_core.fail_task(
    v_caller, v_task, p_error_message, p_error_details,
    p_has_lease => p_lease_token is not null, p_may_retry => coalesce(p_retryable, true)
  );

  return v_reply || jsonb_build_object(
    'will_retry', v_reply ->> 'status' = 'Queued',
    'available_at', (select t.available_at from fairlane.tasks as t where t.id = p_task_id and t.status = 'Queued')
  );
end;
$$;

-- Cancels many tasks, one batch per call, for owners and operators. Their dependents and children end too, as always.
-- See fairlane.cancel_tasks.
create function fairlane_core.cancel_tasks(p_caller jsonb, p_filter jsonb, p_limit integer, p_reason text)
returns json
language plpgsql
volatile
security definer -- reads the derived state, and cancels for tokens and users
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_limit integer := coalesce(p_limit, 1000);
  v_found uuid[];
  v_mine uuid[];
  v_reason text := fairlane_core.cut_text(nullif(p_reason, ''));
  v_cancelled integer;
begin
  perform fairlane_core.open_tables(false);
  if v_limit not between 1 and 1000 then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The limit must be 1 to 1000, not %s', p_limit));
  elsif jsonb_typeof(p_filter) is distinct from 'object' then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The filter must be a JSON object');
  end if;

  v_found := array(select f.id from fairlane_core.tasks_to_cancel_for(v_caller, p_filter, v_limit + 1) as f (id));

  -- A task that somebody is changing is left for the next call: it may be ending.
  v_mine := array(
    select t.id
    from fairlane.tasks as t
    where t.id = any (v_found[:v_limit])
      and t.status in ('Queued', 'In Progress')
    order by t.id
    for no key update skip locked
  );

  perform fairlane_core.set_event_context(fairlane_core.caller_name(v_caller));
  update fairlane.tasks as t
  set status = 'Cancelled',
    error_message = coalesce(v_reason, 'Cancelled on request')
  where t.id = any (v_mine);
  get diagnostics v_cancelled = row_count;
  perform fairlane_core.set_event_context(null);

  return json_build_object(
    'cancelled', v_cancelled,
    'passed_over', cardinality(v_found[:v_limit]) - v_cancelled,
    'has_more', cardinality(v_found) > v_limit
  );
end;
$$;

-- The live tasks that a filter selects for cancellation: those of one owner, or of all for an operator. Scanned owner
-- by owner through the index of live tasks, so finished tasks cost nothing. An unknown key is refused: a typing error
-- must not widen the selection.
-- Returns up to p_limit live tasks of this caller (service: of anybody) that match every key of the filter; 400
-- INVALID_ARGUMENT for an empty filter, an unknown key or more than 1000 ids.
create function fairlane_core.tasks_to_cancel_for(p_caller fairlane_core.caller, p_filter jsonb, p_limit integer)
returns setof uuid
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- no statistics may make reading and sorting all look as cheap as the index order
set enable_bitmapscan = off -- a bitmap reads everything before the limit applies
as $$
declare
  v_unknown text[];
  v_status text := coalesce(p_filter ->> 'status', 'Queued');
  v_task_type text := p_filter ->> 'task_type';
  v_user_id uuid;
  v_project_id uuid;
  v_orchestrator_id uuid;
  v_created_before timestamptz;
  v_task_ids uuid[];
  v_owners uuid[];
begin
  select array_agg(k.name order by k.name)
  into v_unknown
  from jsonb_object_keys(p_filter) as k (name)
  where k.name not in (
    'task_ids', 'status', 'task_type', 'user_id', 'project_id', 'orchestrator_task_id', 'created_before'
  );
  if v_unknown is not null or jsonb_strip_nulls(p_filter) = '{}' then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      coalesce('The filter does not know ' || array_to_string(v_unknown, ', '), 'The filter names nothing'),
      'Filter by task_ids, status (Queued or In Progress), task_type, user_id, project_id, orchestrator_task_id, created_before'
    );
  elsif v_status not in ('Queued', 'In Progress') then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT', pg_catalog.format('Only Queued and In Progress tasks are cancelled, not %s', v_status)
    );
  elsif p_filter ? 'task_ids' and jsonb_typeof(p_filter -> 'task_ids') not in ('array', 'null') then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'task_ids must be a list');
  end if;

  begin
    v_user_id := (p_filter ->> 'user_id')::uuid;
    v_project_id := (p_filter ->> 'project_id')::uuid;
    v_orchestrator_id := (p_filter ->> 'orchestrator_task_id')::uuid;
    v_created_before := (p_filter ->> 'created_before')::timestamptz;
    if jsonb_typeof(p_filter -> 'task_ids') = 'array' then
      v_task_ids := array(select distinct i.id::uuid from jsonb_array_elements_text(p_filter -> 'task_ids') as i (id) where i.id is not null);
    end if;
  exception when data_exception then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'A value of the filter is not a valid id or time: ' || sqlerrm);
  end;

  if cardinality(v_task_ids) > 1000 then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('One call takes at most 1000 task_ids, %s are named; none was cancelled', cardinality(v_task_ids)),
      'Name at most 1000 at a time'
    );
  end if;

  -- The owners who can be concerned at all.
  v_owners := case
    when p_caller.kind <> 'service' then array[p_caller.user_id]
    when v_user_id is not null then array[v_user_id]
    when v_project_id is not null then array(select p.user_id from fairlane.projects as p where p.id = v_project_id)
    when v_orchestrator_id is not null then array(
      -- One index probe for each owner, however many children. A replaced child was replaced by a child of the same
      -- owner.
      with recursive owners (user_id) as (
        (
          select s.user_id
          from fairlane_core.subtasks as s
          where s.orchestrator_id = v_orchestrator_id
            and s.replaced_by is null
          order by s.orchestrator_id, s.user_id
          limit 1
        )
        union all
        select (
          select s.user_id
          from fairlane_core.subtasks as s
          where s.orchestrator_id = v_orchestrator_id
            and s.replaced_by is null
            and s.user_id > o.user_id
          order by s.orchestrator_id, s.user_id
          limit 1
        )
        from owners as o
        where o.user_id is not null
      )
      select o.user_id from owners as o where o.user_id is not null
    )
    when v_task_ids is null then array(
      select l.user_id from fairlane_core.user_queues as l
      union
      select b.user_id from fairlane_core.blocked_tasks as b
    )
  end;

  if v_task_ids is not null then
    return query
    select t.id
    from fairlane.tasks as t
    where t.id = any (v_task_ids)
      and t.status = v_status
      and (v_owners is null or t.user_id = any (v_owners))
      and (v_orchestrator_id is null or exists (
        select from fairlane_core.subtasks as s where s.task_id = t.id and s.orchestrator_id = v_orchestrator_id
      ))
      and (v_task_type is null or t.task_type = v_task_type)
      and (v_user_id is null or t.user_id = v_user_id)
      and (v_project_id is null or t.project_id = v_project_id)
      and (v_created_before is null or t.created_at < v_created_before)
    limit p_limit;
    return;
  end if;

  return query
  select c.id
  from unnest(v_owners) as o (user_id)
    cross join lateral (
      select t.id
      from fairlane.tasks as t
      where t.user_id = o.user_id
        and t.readiness is not null
        and t.status = v_status
        and (v_task_type is null or t.task_type = v_task_type)
        -- As a scalar, or all children would be read first. Children of finished orchestrators are not live.
        and (
          v_orchestrator_id is null
          or (select true from fairlane_core.subtasks as s where s.task_id = t.id and s.orchestrator_id = v_orchestrator_id limit 1)
        )
        and (v_user_id is null or t.user_id = v_user_id)
        and (v_project_id is null or t.project_id = v_project_id)
        and (v_created_before is null or t.created_at < v_created_before)
      order by left(t.task_type, 200), t.id -- the order of the index of live tasks
      limit p_limit
    ) as c
  limit p_limit;
end;
$$;
