-- A failure that names no lease could come from whoever held the task before: a machine that was taken for dead, or whose
-- task was reset, may be at work on it still, and its late word must not end the start of another. While there is such a
-- machine, the present holder gets the benefit of the doubt. Of a task that waits again nobody but a former holder speaks.
--
-- But only while there is: a report that is not applied is a failure that nobody counts. Of the fleet's workers nothing but
-- the number of the start says who speaks (p_attempts), and nothing at all for most. So whoever cannot be the one who
-- speaks is ruled out:
--   * who has ended, or was set aside: its beats until then, the last one above all, are no sign that it works;
--   * who had ended when it lost the task, and has come back under its name;
--   * who never had the task: its claim's reply was lost, and no log line of it names the task;
--   * who has handed the task back, or said how its start went, in whatever words;
--   * who was given another task since, where a worker runs one at a time;
--   * who had a start of another number than the one that is told.
--
-- Under a name that several share the former holder may have the name of the present one.
create function queue.has_live_former_holder(p_task public.tasks, p_attempts integer default null)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_settings queue.settings;
  v_is_shared boolean;
  v_former record;
begin
  select s.* into v_settings from queue.settings as s;
  if p_task.status = 'Queued' then
    return exists (
      select
      from public.task_events as e
        join public.workers as w on w.id = e.worker_id
      where e.task_id = p_task.id
        and e.to_status = 'In Progress'
        and e.from_status is distinct from 'In Progress'
        and queue.is_beating(w.last_heartbeat)
        and not exists (
          select
          from public.task_events as f
          where f.task_id = e.task_id
            and f.id > e.id
            and f.worker_id = e.worker_id
            and f.from_status = 'In Progress'
            and f.to_status = 'Queued'
            and (f.actor = 'service' or starts_with(f.actor, 'token:'))
        )
    );
  end if;

  v_is_shared := queue.sent_name(p_task.worker_id) = any (v_settings.shared_worker_ids);
  for v_former in
    -- The last start of each other worker, and how it ended.
    select distinct on (e.worker_id)
      e.worker_id, e.id as start_id, e.at as started_at, e.attempt, l.to_status, l.actor, l.attempt as lost_attempt,
      l.reason, l.details -> 'signs' as signs
    from public.task_events as e
      join public.workers as w on w.id = e.worker_id
      left join lateral (
        select f.*
        from public.task_events as f
        where f.task_id = e.task_id
          and f.id > e.id
          and f.from_status = 'In Progress'
          and f.to_status <> 'In Progress'
        order by f.id
        limit 1
      ) as l on true
    where e.task_id = p_task.id
      and e.to_status = 'In Progress'
      and e.from_status is distinct from 'In Progress'
      and (
        e.worker_id is distinct from p_task.worker_id
        -- All but the present start.
        or v_is_shared and e.id < (
          select max(s.id)
          from public.task_events as s
          where s.task_id = p_task.id
            and s.to_status = 'In Progress'
            and s.from_status is distinct from 'In Progress'
        )
      )
      and w.status not in ('terminating', 'terminated', 'error', 'crashed')
      and queue.is_beating(w.last_heartbeat)
    order by e.worker_id, e.id desc
  loop
    continue when p_attempts = p_task.attempts
      and p_attempts not between v_former.attempt and greatest(v_former.attempt, v_former.lost_attempt);
    -- It told how it went (by a PATCH, where the call had failed), or claimed again without a word.
    continue when v_former.to_status in ('Queued', 'Failed', 'Complete')
      and (v_former.actor = 'service' or v_former.reason ~ '^Retry \d+ \(');
    continue when (v_former.signs ->> 'worker_is_gone')::boolean;
    -- For as long as after which a start is taken back as never delivered; only what it has logged since says otherwise.
    continue when not (v_former.signs ->> 'was_named')::boolean
      and (v_former.signs ->> 'running_seconds')::numeric >= extract(epoch from v_settings.undelivered_limit)
      and not exists (
        select
        from public.system_logs as g
        where g.task_id = p_task.id::text
          and g.worker_id = v_former.worker_id
          and g."timestamp" >= v_former.started_at
      );
    continue when p_task.pool = 'gpu' and v_settings.gpu_tasks_per_worker = 1
      and v_former.worker_id <> all (v_settings.shared_worker_ids)
      and exists (
        -- What it has or had last, and what it lost again.
        select
        from (
          select t.id
          from public.tasks as t
          where t.worker_id = v_former.worker_id
            and t.status = 'In Progress'
            and t.claimed_at >= v_former.started_at
          union all
          -- As the index has it: a worker may have completed thousands.
          select t.id
          from public.tasks as t
          where t.worker_id = v_former.worker_id
            and t.status = 'Complete'
            and t.generation_processed_at >= v_former.started_at
          union all
          select f.task_id
          from public.task_events as f
          where f.worker_id = v_former.worker_id
            and f.from_status = 'In Progress'
            and f.to_status in ('Queued', 'Failed')
            and f.id > v_former.start_id
        ) as o
          join public.tasks as t on t.id = o.id
          join public.task_events as b on b.task_id = o.id
        where o.id <> p_task.id
          and t.pool = p_task.pool
          and b.worker_id = v_former.worker_id
          and b.to_status = 'In Progress'
          and b.from_status is distinct from 'In Progress'
          and b.id > v_former.start_id
      );
    return true;
  end loop;
  return false;
end;
$$;

comment on function queue.has_live_former_holder(public.tasks, integer) is
  'Whether another worker that had this task may still be at work on it, and so be the one who tells of a failure: of start p_attempts, if the report says so.';

revoke all on function queue.has_live_former_holder(public.tasks, integer) from public, anon, authenticated, service_role;
