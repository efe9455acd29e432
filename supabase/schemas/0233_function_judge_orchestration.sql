-- Ends an orchestrator as its children say, once it has enqueued all of them: Failed as soon as one has failed for
-- good; when all have ended, Cancelled if one was, else Complete with what the final child made. The caller holds the
-- locks on the orchestrator and on its owner.
create function queue.judge_orchestration(p_orchestrator_id uuid, p_is_quiet boolean default false)
returns text
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_look constant integer := 1000;
  v_family queue.orchestrations;
  v_task public.tasks;
  v_verdict text;
  v_final_id uuid;
  v_child public.tasks;
begin
  select o.* into v_family from queue.orchestrations as o where o.orchestrator_id = p_orchestrator_id;
  if v_family.orchestrator_id is null or v_family.ended_as is not null then
    return null;
  end if;
  select t.* into v_task from public.tasks as t where t.id = p_orchestrator_id;
  perform queue.note_handover(v_family, v_task);

  v_verdict := case
    when v_family.failed_count > 0 then 'Failed'
    when v_family.open_count > 0 then null
    when v_family.cancelled_count > 0 then 'Cancelled'
    when v_family.complete_count > 0 then 'Complete'
  end;
  if v_verdict is null then
    return null;
  end if;

  -- One that was put back waits for a worker to go on; only when nothing is left to do it is not asked to.
  if not (v_task.status = 'In Progress' or (v_task.status = 'Queued' and v_task.claimed_at is not null and v_verdict = 'Complete'))
    or not queue.is_enqueued(v_family, v_task, p_is_quiet) then
    return null;
  end if;

  if v_verdict = 'Complete' then
    -- The first entry of an index, however many children there are.
    select s.task_id
    into v_final_id
    from queue.subtasks as s
    where s.orchestrator_id = p_orchestrator_id
      and s.user_id = v_family.user_id
      and s.replaced_by is null
    order by s.final_rank desc, s.part_index desc nulls last, s.seq desc
    limit 1;
    select t.* into v_child from public.tasks as t where t.id = v_final_id;
    -- What a part says of itself is for its neighbours; the whole shows the file.
    v_child.output_location := coalesce(v_child.file_location, v_child.output_location);
    v_child.file_location := null;
    perform queue.complete_for(v_task.id, v_child, 'all of its children are complete');
    return v_verdict;
  end if;

  -- The child that is the cause, rather than one that went with it. Of very many children it is looked for among those
  -- that have changed last and a thousand others: an end costs the same however many there are.
  select t.*
  into v_child
  from (
      (
        select e.task_id
        from (
          select x.task_id from public.task_events as x where x.user_id = v_family.user_id order by x.id desc limit v_look
        ) as e
      )
      union
      (select k.task_id from queue.subtasks as k where k.orchestrator_id = p_orchestrator_id order by k.task_id limit v_look)
    ) as c
    join queue.subtasks as s on s.task_id = c.task_id
    join public.tasks as t on t.id = s.task_id
  where s.orchestrator_id = p_orchestrator_id
    and s.user_id = v_family.user_id
    and s.replaced_by is null
    and t.status = v_verdict
  order by t.error_message like 'Cascaded failed from%', s.seq
  limit 1;
  perform queue.end_tasks(array[(
    v_task.id, v_task.user_id, v_verdict,
    pg_catalog.format(
      'Cascaded failed from related task %s: %s', coalesce(v_child.id::text, 'among its children'),
      concat_ws(': ', coalesce(v_child.task_type || ' ' || v_child.status, v_verdict), pg_catalog.left(nullif(v_child.error_message, ''), 500))
    )
  )::queue.task_end]);
  return v_verdict;
end;
$$;

comment on function queue.judge_orchestration(uuid, boolean) is
  'Ends this orchestrator if its children say so, and returns how; null = not yet. Call it under the locks of the task and its owner.';

revoke all on function queue.judge_orchestration(uuid, boolean) from public, anon, authenticated, service_role;
