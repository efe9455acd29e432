-- A part that is made again replaces the earlier one; and what a hand-over frees.

-- An orchestrator that runs again enqueues its children again, under new ids. Finished work stays: if the old child is
-- Complete, the new one becomes Complete at once, with the same output and no result record of its own. Otherwise the
-- old child is cancelled, and its dependents wait for the new one.
-- Lets a new child replace the one that is the same part under another id, or become its copy if that one is Complete.
-- Call it under the locks of both and of their owner.
create function fairlane_core.replace_part(p_task_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_new fairlane_core.subtasks;
  v_old fairlane_core.subtasks;
  v_old_task fairlane.tasks;
begin
  select s.* into v_new from fairlane_core.subtasks as s where s.task_id = p_task_id;

  select s.*
  into v_old
  from fairlane_core.subtasks as s
  where s.orchestrator_id = v_new.orchestrator_id
    and s.final_rank = v_new.final_rank
    and s.part_index = v_new.part_index
    and s.task_type = v_new.task_type
    and s.user_id = v_new.user_id
    and s.replaced_by is null
    and s.seq < v_new.seq
  order by s.seq desc
  limit 1;

  if v_old.task_id is null then
    return;
  end if;

  select t.* into v_old_task from fairlane.tasks as t where t.id = v_old.task_id;
  -- A task that waits for the old one cannot replace it.
  if v_old_task.id is null or fairlane_core.waits_for(v_new.task_id, v_old.task_id, v_new.user_id) then
    return;
  end if;

  if v_old_task.status = 'Complete' then
    update fairlane_core.subtasks as s set replaced_by = v_old.task_id where s.task_id = v_new.task_id;
    perform fairlane_core.count_child(v_new, 'Queued', -1);
    -- Proof of an attempt, which a result needs.
    update fairlane.tasks as t set claimed_at = fairlane_core.now() where t.id = v_new.task_id;
    perform fairlane_core.complete_for(
      v_new.task_id, v_old_task, pg_catalog.format('the same part is Complete already, as task %s', v_old.task_id)
    );
    update fairlane.tasks as t set generation_created = false where t.id = v_new.task_id;
    return;
  end if;

  update fairlane_core.subtasks as s
  set replaced_by = v_new.task_id
  where s.task_id = v_old.task_id or s.replaced_by = v_old.task_id;
  perform fairlane_core.count_child(v_old, v_old_task.status, -1);
  perform fairlane_core.move_dependents(v_old.task_id, v_new.task_id, v_new.user_id);
  perform fairlane_core.end_tasks(array[(
    v_old.task_id, v_old.user_id, 'Cancelled', pg_catalog.format('replaced by %s', v_new.task_id)
  )::fairlane_core.task_end]);
end;
$$;

-- Tasks that are no longer children of their orchestrators, because they were deleted or now belong to another owner.
-- Deployed clients delete what they take for a duplicate, which may be the child that counts: then the one that it had
-- replaced counts again, and is requeued if it was cancelled for it. The caller holds the locks of all of them.
-- Removes these tasks, which have or had these statuses, from their families, restores the ones they had replaced, and
-- returns the orchestrators whose end must be checked again.
create function fairlane_core.take_out_children(p_task_ids uuid[], p_statuses text[])
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_gone record;
  v_heir fairlane_core.subtasks;
  v_heir_task fairlane.tasks;
  v_orchestrators uuid[];
begin
  -- A complete family stays complete when one of its parts is removed: nobody will enqueue that part again.
  update fairlane_core.orchestrations as o
  set enqueued_attempt = t.attempts
  from fairlane.tasks as t
  where o.orchestrator_id = any (array(
      select s.orchestrator_id
      from unnest(p_task_ids) as i (id)
        cross join lateral (
          select c.orchestrator_id from fairlane_core.subtasks as c where c.task_id = i.id and c.replaced_by is null offset 0
        ) as s
    ))
    and o.ended_as is null
    and t.id = o.orchestrator_id
    and t.status = 'In Progress'
    and o.enqueued_attempt is distinct from t.attempts
    and fairlane_core.is_enqueued(o, t);

  -- One child by key: a join may compare every pair.
  with gone as materialized (
    select c.orchestrator_id, c.user_id, c.final_rank, g.status
    from unnest(p_task_ids, p_statuses) as g (task_id, status)
      cross join lateral (
        select s.* from fairlane_core.subtasks as s where s.task_id = g.task_id and s.replaced_by is null limit 1
      ) as c
  ),
  change as materialized (
    select
      g.orchestrator_id,
      g.user_id,
      count(*) filter (where g.status in ('Queued', 'In Progress'))::integer as open,
      count(*) filter (where g.status = 'Complete')::integer as complete,
      count(*) filter (where g.status = 'Failed')::integer as failed,
      count(*) filter (where g.status = 'Cancelled')::integer as cancelled,
      count(*) filter (where g.final_rank = 1)::integer as parts,
      count(*) filter (where g.final_rank = 2)::integer as merges,
      count(*) filter (where g.final_rank = 3)::integer as finals
    from gone as g
    group by g.orchestrator_id, g.user_id
  ),
  -- Each family once, however many children leave: every update leaves a row version that the next one has to skip.
  counted as (
    update fairlane_core.orchestrations as o
    set open_count = o.open_count - c.open,
      complete_count = o.complete_count - c.complete,
      failed_count = o.failed_count - c.failed,
      cancelled_count = o.cancelled_count - c.cancelled,
      part_count = o.part_count - c.parts,
      merge_count = o.merge_count - c.merges,
      final_count = o.final_count - c.finals,
      changed_at = fairlane_core.now()
    from change as c
    where o.orchestrator_id = c.orchestrator_id
      and o.user_id = c.user_id
  )
  select array_agg(distinct c.orchestrator_id order by c.orchestrator_id) into v_orchestrators from change as c;

  -- Most have neither replaced another child nor been replaced.
  delete from fairlane_core.subtasks as s
  where s.task_id = any (p_task_ids)
    and s.replaced_by is null
    and not exists (select from fairlane_core.subtasks as r where r.replaced_by = s.task_id);

  for v_gone in
    select c.child, o.ended_as
    from unnest(p_task_ids) as g (task_id)
      cross join lateral (select s as child from fairlane_core.subtasks as s where s.task_id = g.task_id limit 1) as c
      left join fairlane_core.orchestrations as o
        on o.orchestrator_id = (c.child).orchestrator_id and o.user_id = (c.child).user_id
  loop
    delete from fairlane_core.subtasks as s where s.task_id = (v_gone.child).task_id;
    if (v_gone.child).replaced_by is not null then
      -- The dependents of a copy may as well wait for the child that counts.
      perform fairlane_core.move_dependents((v_gone.child).task_id, (v_gone.child).replaced_by, (v_gone.child).user_id);
      continue;
    end if;

    select s.*
    into v_heir
    from fairlane_core.subtasks as s
      join fairlane.tasks as t on t.id = s.task_id
    where s.replaced_by = (v_gone.child).task_id
    order by t.status = 'Complete' desc, s.seq
    limit 1;
    continue when v_heir.task_id is null;

    update fairlane_core.subtasks as s
    set replaced_by = case when s.task_id <> v_heir.task_id then v_heir.task_id end
    where s.replaced_by = (v_gone.child).task_id;
    perform fairlane_core.move_dependents((v_gone.child).task_id, v_heir.task_id, v_heir.user_id);

    select t.* into v_heir_task from fairlane.tasks as t where t.id = v_heir.task_id;
    perform fairlane_core.count_child(v_heir, v_heir_task.status, 1);
    if v_heir_task.status = 'Cancelled' and v_gone.ended_as is null then
      perform fairlane_core.requeue_lost_part(v_heir.task_id, (v_gone.child).task_id);
    end if;
  end loop;

  return coalesce(v_orchestrators, array[]::uuid[]);
end;
$$;

-- Requeues a child that was cancelled because it was replaced, after its replacement was removed.
create function fairlane_core.requeue_lost_part(p_task_id uuid, p_gone uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_event constant text := coalesce(current_setting('fairlane_core.event', true), '');
begin
  perform fairlane_core.set_event_context(fairlane_core.actor(), pg_catalog.format('requeued: task %s, which had replaced it, was deleted', p_gone));
  update fairlane.tasks as t
  set status = 'Queued',
    requeue_count = t.requeue_count + 1,
    max_attempts = case
      when t.attempts >= fairlane_core.starts_allowed(t) then t.attempts + fairlane_core.max_attempts(t.task_type)
      else t.max_attempts
    end,
    error_message = null,
    output_location = null,
    -- Its dependency may have been replaced, or requeued, meanwhile.
    dependant_on = coalesce(
      (
        select d.depends_on
        from fairlane_core.task_dependencies as d
        where d.task_id = t.id
        order by d.depends_on = t.dependant_on desc, d.depends_on
        limit 1
      ),
      t.dependant_on
    )
  where t.id = p_task_id;
  -- For its dependents this dependency was lost.
  perform fairlane_core.unblock_dependents(array[p_task_id]);
  perform set_config('fairlane_core.event', v_event, true);
end;
$$;

-- A running orchestration task needs no worker any more in this attempt, and frees its orchestration slot. The caller
-- has checked that this has not happened yet, and holds the locks on the task and its owner.
create function fairlane_core.hand_over(p_task fairlane.tasks)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into fairlane_core.handovers as h (orchestrator_id, lease_token)
  values (p_task.id, coalesce(p_task.lease_token, '00000000-0000-0000-0000-000000000000'))
  on conflict (orchestrator_id) do update
    set lease_token = excluded.lease_token;
  perform fairlane_core.move_slots(p_task.user_id, 0, -1, 0);
end;
$$;

-- Whether a running orchestration task has enqueued everything in the attempt of this lease, and needs no worker any
-- more.
create function fairlane_core.is_handed_over(p_orchestrator_id uuid, p_lease_token uuid)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return exists (
    select
    from fairlane_core.handovers as h
    where h.orchestrator_id = p_orchestrator_id
      and h.lease_token = coalesce(p_lease_token, '00000000-0000-0000-0000-000000000000')
  );
end;
$$;
