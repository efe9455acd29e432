-- Where an orchestrator ends: it has enqueued all of its children, and they decide how it ends.

-- An orchestrator has reported that its children are enqueued. From here on they decide its end. They may already have
-- ended or been deleted, or there may be none to come. The caller holds the lock on the task.
-- Records that this orchestrator has enqueued its children in its current attempt, and ends it if they have all ended
-- or been deleted, or if it says (p_report) that there are none to come. Does nothing for other tasks.
create function fairlane_core.note_enqueued(p_task_id uuid, p_report text default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task fairlane.tasks;
  v_had_children boolean;
  v_event constant text := coalesce(current_setting('fairlane_core.event', true), '');
begin
  select t.* into v_task from fairlane.tasks as t where t.id = p_task_id;
  if v_task.user_id is null
    or (
      v_task.takes_slot and not (fairlane_core.has_nothing_to_enqueue(p_report) and v_task.task_type like '%orchestrat%')
      and not exists (select from fairlane_core.orchestrations as o where o.orchestrator_id = p_task_id)
    ) then
    return; -- not an orchestrator
  end if;

  perform from fairlane_core.user_slots as s where s.user_id = v_task.user_id for no key update;
  if fairlane_core.has_nothing_to_enqueue(p_report) and v_task.status = 'In Progress' and not exists (
    select from fairlane_core.subtasks as s where s.orchestrator_id = v_task.id and s.user_id = v_task.user_id
  ) then
    perform fairlane_core.set_event_context(fairlane_core.actor(), 'it has nothing to enqueue', jsonb_build_object('report', p_report));
    update fairlane.tasks as t
    set status = 'Complete', output_location = null, error_message = null
    where t.id = v_task.id;
    perform set_config('fairlane_core.event', v_event, true);
    return;
  end if;

  -- Families are counted from their first child on.
  v_had_children := exists (
    select from fairlane_core.orchestrations as o where o.orchestrator_id = v_task.id and o.enqueued_attempt is null
  );
  insert into fairlane_core.orchestrations as o (orchestrator_id, user_id, enqueued_attempt, changed_at)
  values (v_task.id, v_task.user_id, v_task.attempts, fairlane_core.now())
  on conflict (orchestrator_id) do update
    set enqueued_attempt = excluded.enqueued_attempt,
      changed_at = excluded.changed_at
    where o.enqueued_attempt is distinct from excluded.enqueued_attempt;
  perform fairlane_core.finish_orchestrator(p_task_id);
  if v_had_children and fairlane_core.has_enqueued(p_report) then
    perform fairlane_core.cancel_childless(p_task_id, 'all children were deleted');
  end if;
end;
$$;

-- Ends an orchestrator as its children decide, once it has enqueued all of them: Failed as soon as one has failed for
-- good; when all have ended, Cancelled if one was, else Complete with the result of the final child. Returns how it
-- ended; null = not yet. The caller holds the locks on the orchestrator and on its owner.
create function fairlane_core.finish_orchestrator(p_orchestrator_id uuid, p_is_quiet boolean default false)
returns text
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_look constant integer := 1000;
  v_family fairlane_core.orchestrations;
  v_task fairlane.tasks;
  v_verdict text;
  v_final_id uuid;
  v_child fairlane.tasks;
begin
  select o.* into v_family from fairlane_core.orchestrations as o where o.orchestrator_id = p_orchestrator_id;
  if v_family.orchestrator_id is null or v_family.ended_as is not null then
    return null;
  end if;
  select t.* into v_task from fairlane.tasks as t where t.id = p_orchestrator_id;
  -- An orchestrator that has enqueued everything, or has said so in this attempt while there are no children, needs no
  -- worker any more, and frees its orchestration slot. Children that do not exist decide nothing
  -- (fairlane_core.is_enqueued).
  if v_task.readiness = 'active' and not v_task.takes_slot
    and not fairlane_core.is_handed_over(v_task.id, v_task.lease_token)
    and (v_family.enqueued_attempt = v_task.attempts or fairlane_core.is_enqueued(v_family, v_task)) then
    perform fairlane_core.hand_over(v_task);
  end if;

  v_verdict := case
    when v_family.failed_count > 0 then 'Failed'
    when v_family.open_count > 0 then null
    when v_family.cancelled_count > 0 then 'Cancelled'
    when v_family.complete_count > 0 then 'Complete'
  end;
  if v_verdict is null then
    return null;
  end if;

  -- A requeued orchestrator waits for a worker to go on; it ends without one only if nothing is left to do.
  if not (v_task.status = 'In Progress' or (v_task.status = 'Queued' and v_task.claimed_at is not null and v_verdict = 'Complete'))
    or not fairlane_core.is_enqueued(v_family, v_task, p_is_quiet) then
    return null;
  end if;

  if v_verdict = 'Complete' then
    -- The first entry of an index, however many children there are.
    select s.task_id
    into v_final_id
    from fairlane_core.subtasks as s
    where s.orchestrator_id = p_orchestrator_id
      and s.user_id = v_family.user_id
      and s.replaced_by is null
    order by s.final_rank desc, s.part_index desc nulls last, s.seq desc
    limit 1;
    select t.* into v_child from fairlane.tasks as t where t.id = v_final_id;
    -- A part's text is meant for its neighbours; the family shows the file.
    v_child.output_location := coalesce(v_child.file_location, v_child.output_location);
    v_child.file_location := null;
    perform fairlane_core.complete_for(v_task.id, v_child, 'all of its children are complete');
    return v_verdict;
  end if;

  -- The child that is the cause, not one that ended because of it. With very many children it is searched among the
  -- latest to change and a thousand others: an end costs the same however many there are.
  select t.*
  into v_child
  from (
      (
        select e.task_id
        from (
          select x.task_id from fairlane.task_events as x where x.user_id = v_family.user_id order by x.id desc limit v_look
        ) as e
      )
      union
      (select k.task_id from fairlane_core.subtasks as k where k.orchestrator_id = p_orchestrator_id order by k.task_id limit v_look)
    ) as c
    join fairlane_core.subtasks as s on s.task_id = c.task_id
    join fairlane.tasks as t on t.id = s.task_id
  where s.orchestrator_id = p_orchestrator_id
    and s.user_id = v_family.user_id
    and s.replaced_by is null
    and t.status = v_verdict
  order by t.error_message like 'Cascaded failed from%', s.seq
  limit 1;
  perform fairlane_core.end_tasks(array[(
    v_task.id, v_task.user_id, v_verdict,
    pg_catalog.format(
      'Cascaded failed from related task %s: %s', coalesce(v_child.id::text, 'among its children'),
      concat_ws(': ', coalesce(v_child.task_type || ' ' || v_child.status, v_verdict), pg_catalog.left(nullif(v_child.error_message, ''), 500))
    )
  )::fairlane_core.task_end]);
  return v_verdict;
end;
$$;

-- Completes a task with the result of another one.
create function fairlane_core.complete_for(p_task_id uuid, p_source fairlane.tasks, p_reason text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_event constant text := coalesce(current_setting('fairlane_core.event', true), '');
begin
  perform fairlane_core.set_event_context(fairlane_core.actor(), p_reason, jsonb_build_object('result_of', p_source.id));
  update fairlane.tasks as t
  set status = 'Complete',
    output_location = p_source.output_location,
    file_location = p_source.file_location,
    thumbnail_url = coalesce(p_source.thumbnail_url, t.thumbnail_url),
    error_message = null
  where t.id = p_task_id;
  perform set_config('fairlane_core.event', v_event, true);
end;
$$;

-- Cancels an orchestrator with the reason if it runs, had enqueued all of its children in this attempt, and they are
-- all deleted: nothing is left that could end it, and no worker should enqueue them again, because somebody removed
-- them. The caller holds the locks on the orchestrator and on its owner.
create function fairlane_core.cancel_childless(p_orchestrator_id uuid, p_reason text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform fairlane_core.end_tasks(array_agg((t.id, t.user_id, 'Cancelled', p_reason)::fairlane_core.task_end))
  from fairlane_core.orchestrations as o
    join fairlane.tasks as t on t.id = o.orchestrator_id and t.user_id = o.user_id
  where o.orchestrator_id = p_orchestrator_id
    and o.ended_as is null
    and o.enqueued_attempt = t.attempts
    and o.open_count + o.complete_count + o.failed_count + o.cancelled_count = 0
    and t.status = 'In Progress'
  having count(*) > 0;
end;
$$;

-- An orchestrator that has enqueued everything only waits for its children: death, silence or timeout of its worker do
-- not matter.
create function fairlane_core.is_waiting_for_children(p_task fairlane.tasks)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_family fairlane_core.orchestrations;
begin
  select o.* into v_family from fairlane_core.orchestrations as o where o.orchestrator_id = p_task.id;
  return v_family.orchestrator_id is not null and fairlane_core.is_enqueued(v_family, p_task);
end;
$$;

-- Whether an orchestrator has enqueued all of its children: it said so in its current attempt, or as many exist as its
-- params announce. Before that the existing children decide nothing.
create function fairlane_core.is_enqueued(p_family fairlane_core.orchestrations, p_task fairlane.tasks, p_is_quiet boolean default false)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if p_family.open_count + p_family.complete_count + p_family.failed_count + p_family.cancelled_count = 0 then
    return false;
  elsif p_family.enqueued_attempt = p_task.attempts then
    return true;
  end if;
  return fairlane_core.has_expected_children(p_family, p_task.params, p_is_quiet);
end;
$$;
