-- The live tasks that a filter names, for whoever wants them cancelled: those of one owner, or of all for an operator.
-- Walked owner by owner through the index of live tasks; what has ended costs nothing, however much it is. A key that is
-- not known is refused: a typing error must not widen what is cancelled.
create function queue.tasks_to_cancel_for(p_caller queue.caller, p_filter jsonb, p_limit integer)
returns setof uuid
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- under no statistics may it be as good to read and sort all as to take some from the index in order
set enable_bitmapscan = off -- which would look at all of it before it is cut
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
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      coalesce('The filter does not know ' || array_to_string(v_unknown, ', '), 'The filter names nothing'),
      'Filter by task_ids, status (Queued or In Progress), task_type, user_id, project_id, orchestrator_task_id, created_before'
    );
  elsif v_status not in ('Queued', 'In Progress') then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT', pg_catalog.format('Only Queued and In Progress tasks are cancelled, not %s', v_status)
    );
  elsif p_filter ? 'task_ids' and jsonb_typeof(p_filter -> 'task_ids') not in ('array', 'null') then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'task_ids must be a list');
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
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'A value of the filter is no id or no time: ' || sqlerrm);
  end;

  if cardinality(v_task_ids) > 1000 then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('One call takes at most 1000 task_ids, %s are named; none was cancelled', cardinality(v_task_ids)),
      'Name at most 1000 at a time'
    );
  end if;

  -- Whose tasks can be meant at all.
  v_owners := case
    when p_caller.kind <> 'service' then array[p_caller.user_id]
    when v_user_id is not null then array[v_user_id]
    when v_project_id is not null then array(select p.user_id from public.projects as p where p.id = v_project_id)
    when v_orchestrator_id is not null then array(
      -- One step of the index for each owner, however many children. Who was replaced was so by a child of the same owner.
      with recursive owners (user_id) as (
        (
          select s.user_id
          from queue.subtasks as s
          where s.orchestrator_id = v_orchestrator_id
            and s.replaced_by is null
          order by s.orchestrator_id, s.user_id
          limit 1
        )
        union all
        select (
          select s.user_id
          from queue.subtasks as s
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
      select l.user_id from queue.user_lines as l
      union
      select b.user_id from queue.blocked_tasks as b
    )
  end;

  if v_task_ids is not null then
    return query
    select t.id
    from public.tasks as t
    where t.id = any (v_task_ids)
      and t.status = v_status
      and (v_owners is null or t.user_id = any (v_owners))
      and (v_orchestrator_id is null or exists (
        select from queue.subtasks as s where s.task_id = t.id and s.orchestrator_id = v_orchestrator_id
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
      from public.tasks as t
      where t.user_id = o.user_id
        and t.standing is not null
        and t.status = v_status
        and (v_task_type is null or t.task_type = v_task_type)
        -- As a value, or all children would be read beforehand. Of those that have ended none is live.
        and (
          v_orchestrator_id is null
          or (select true from queue.subtasks as s where s.task_id = t.id and s.orchestrator_id = v_orchestrator_id limit 1)
        )
        and (v_user_id is null or t.user_id = v_user_id)
        and (v_project_id is null or t.project_id = v_project_id)
        and (v_created_before is null or t.created_at < v_created_before)
      order by left(t.task_type, 200), t.id -- that of the index of live tasks
      limit p_limit
    ) as c
  limit p_limit;
end;
$$;

comment on function queue.tasks_to_cancel_for(queue.caller, jsonb, integer) is
  'Up to p_limit live tasks of this caller (service: of anybody) that match every key of the filter; 400 INVALID_ARGUMENT for an empty filter, an unknown key or more than 1000 ids.';

revoke all on function queue.tasks_to_cancel_for(queue.caller, jsonb, integer) from public, anon, authenticated, service_role;
