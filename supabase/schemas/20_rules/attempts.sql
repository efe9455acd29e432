-- How many attempts a task gets, how long it waits between them, and what the history knows of earlier ones. A failure
-- of the last attempt ends the task (50_endings/fail.sql); a lost attempt counts as well (70_recovery/rescue.sql).

-- How many attempts this task gets before it ends Failed: its own limit (which a requeue raises), else that of its
-- type, else that of the settings.
create function fairlane_core.starts_allowed(p_task fairlane.tasks)
returns integer
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return coalesce(p_task.max_attempts, fairlane_core.max_attempts(p_task.task_type));
end;
$$;

-- How many attempts a task of this type gets before it ends Failed.
create function fairlane_core.max_attempts(p_task_type text)
returns integer
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return coalesce(
    (select y.max_attempts from fairlane.task_types as y where y.name = p_task_type),
    (select s.max_attempts from fairlane_core.settings as s)
  );
end;
$$;

-- Whether a reported failure of this type is retried. Failures of unknown types are.
create function fairlane_core.is_retryable(p_task_type text)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return coalesce((select y.is_retryable from fairlane.task_types as y where y.name = p_task_type), true);
end;
$$;

-- How long a task waits after its n-th failed attempt: fairlane_core.settings.retry_delay * 2^(n-1), at most
-- max_retry_delay, minus up to a quarter at random, so that tasks that failed together (a provider was down) do not all
-- return together.
create function fairlane_core.retry_wait(p_attempts integer)
returns interval
language plpgsql
volatile -- random
security invoker
set search_path = ''
as $$
declare
  v_settings fairlane_core.settings;
begin
  select s.* into v_settings from fairlane_core.settings as s;
  return least(
    v_settings.max_retry_delay,
    -- Doubling stops far beyond any delay limit.
    v_settings.retry_delay * pg_catalog.power(2, least(greatest(p_attempts, 1), 20) - 1)
  ) * (0.75 + pg_catalog.random() * 0.25);
end;
$$;

-- A late result belongs to the last attempt, which the task no longer records. The history does. Events of other
-- workers that had no effect are there too, so the holder is read from the claim.
-- Returns this task with worker_id, token_id and attempts of its last attempt, if the history has one.
create function fairlane_core.with_its_last_start(p_task fairlane.tasks)
returns fairlane.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_start record;
begin
  select e.worker_id, e.attempt, substring(h.actor from '^token:([0-9a-f-]{36})$')::uuid as token_id
  into v_start
  from fairlane.task_events as e
    cross join lateral (
      select o.actor
      from fairlane.task_events as o
      where o.task_id = e.task_id
        and o.id <= e.id
        and o.from_status = 'Queued'
        and o.to_status = 'In Progress'
      order by o.id desc
      limit 1
    ) as h
  where e.task_id = p_task.id
    and e.to_status = 'In Progress'
  order by e.id desc
  limit 1;
  if found then
    p_task.worker_id := v_start.worker_id;
    p_task.token_id := v_start.token_id;
    p_task.attempts := greatest(p_task.attempts, v_start.attempt);
  end if;
  return p_task;
end;
$$;

-- A failure of the current attempt that was reported but not applied, because a former holder might have sent it. If
-- the task ends without a result after all, this is the reason to give.
create function fairlane_core.told_reason(p_task fairlane.tasks)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select e.details ->> 'held_back' -- fairlane_core.fail_task
    from fairlane.task_events as e
    where e.task_id = p_task.id
      and e.from_status = 'In Progress'
      and e.to_status = 'In Progress'
      and e.worker_id = p_task.worker_id
      and e.attempt = p_task.attempts
      and e.details ? 'held_back'
      and e.id > (
        select max(s.id)
        from fairlane.task_events as s
        where s.task_id = p_task.id
          and s.to_status = 'In Progress'
          and s.from_status is distinct from 'In Progress'
      )
    order by e.id desc
    limit 1
  );
end;
$$;

-- Whether a failure report that names its attempt by number repeats the one that ended an earlier attempt: its reply
-- was lost, it was sent again, and meanwhile somebody else holds the task. A worker that holds the task again speaks of
-- its current attempt, whatever number it sends.
create function fairlane_core.is_told_again(p_task fairlane.tasks, p_attempts integer, p_reason text)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return p_task.status = 'In Progress'
    and coalesce(p_attempts between 1 and p_task.attempts - 1, false)
    and exists (
      select
      from fairlane.task_events as e
      where e.task_id = p_task.id
        and e.from_status = 'In Progress'
        and e.to_status = 'Queued'
        and e.attempt = p_attempts
        and e.reason = p_reason
        and (
          e.worker_id is distinct from p_task.worker_id
          or exists (select from fairlane_core.settings as s where fairlane_core.sent_name(p_task.worker_id) = any (s.shared_worker_ids))
        )
    );
end;
$$;
