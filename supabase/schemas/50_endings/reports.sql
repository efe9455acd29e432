-- What workers report, other than a result; whose report counts, and the reply.

-- What a worker reports other than a result (docs/architecture.md, "Endings").
-- See fairlane.update_task_status.
create function fairlane_core.update_task_status(
  p_caller jsonb,
  p_task_id uuid,
  p_status text,
  p_output_location text,
  p_error_message text,
  p_error_details text,
  p_thumbnail_url text,
  p_result_data jsonb,
  p_reset_generation_started_at boolean,
  p_lease_token uuid,
  p_attempts integer
)
returns json
language plpgsql
volatile
security definer -- writes delivered_at, which no API role may
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task fairlane.tasks;
begin
  if p_status = 'Complete' then
    return fairlane_core.complete_task(p_caller, p_task_id, p_output_location, p_thumbnail_url, p_result_data, p_lease_token, null, true);
  end if;

  v_task := fairlane_core.lock_task_for(v_caller, p_task_id, case
    when p_status in ('Failed', 'Cancelled') then p_status
    when p_status = 'Queued' and p_error_details <> '' then 'Failed' -- after its last attempt
    when p_status = 'In Progress' and fairlane_core.has_nothing_to_enqueue(p_output_location) then 'Complete'
  end);
  if p_lease_token is not null then
    perform fairlane_core.refuse_stale_lease(v_task, p_lease_token);
  end if;

  if p_status = 'Failed' then
    return fairlane_core.fail_task(
      v_caller, v_task, coalesce(nullif(p_error_message, ''), p_output_location), p_error_details,
      p_has_lease => p_lease_token is not null, p_may_retry => false
    );
  end if;

  -- Deployed workers since January: a failed attempt, reported with details, to be retried. The number that they send
  -- says which attempt they mean; the queue counts by itself.
  if p_status = 'Queued' and p_error_details <> '' then
    if p_lease_token is null
      and fairlane_core.is_told_again(v_task, p_attempts, fairlane_core.cut_text(coalesce(nullif(p_error_message, ''), p_error_details))) then
      perform fairlane_core.record_report(v_task, v_caller, 'failure reported again, it counts already: ' || fairlane_core.cut_text(p_error_details));
      return fairlane_core.report_reply(v_task, false);
    end if;
    return fairlane_core.fail_task(
      v_caller, v_task, p_error_message, p_error_details,
      p_has_lease => p_lease_token is not null, p_may_retry => true, p_waits => false, p_attempts => p_attempts
    );
  end if;

  if not coalesce(
    (v_task.status, p_status) in (
      ('In Progress', 'In Progress'), ('In Progress', 'Queued'), ('In Progress', 'Cancelled'), ('Queued', 'Cancelled')
    ) or (v_task.status = p_status and p_status in ('Cancelled', 'Queued')),
    false
  ) then
    perform fairlane_core.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s and cannot become %s', v_task.id, v_task.status, coalesce(p_status, 'null')),
      case when v_task.status = 'Queued' then 'Claim it first' else 'Nothing was changed' end
    );
  elsif v_task.status = p_status and p_status in ('Cancelled', 'Queued') then
    return fairlane_core.report_reply(v_task, false);
  elsif p_status in ('In Progress', 'Queued') and v_caller.kind <> 'service' and not fairlane_core.is_holder(v_caller, v_task) then
    -- The owner decides neither what is billed nor how often a task is tried.
    perform fairlane_core.refuse(
      409, 'NOT_THE_HOLDER',
      pg_catalog.format('Task %s is run by another worker, and only that one may report its progress or release it', v_task.id),
      'Cancel it, or complete it, if it is yours'
    );
  end if;

  perform fairlane_core.set_event_context(
    fairlane_core.caller_name(v_caller),
    case p_status
      when 'Queued' then coalesce(fairlane_core.cut_text(nullif(p_error_message, '')), 'released')
      when 'Cancelled' then coalesce(fairlane_core.cut_text(coalesce(nullif(p_error_message, ''), nullif(p_output_location, ''))), 'cancelled')
    end
  );
  perform set_config(
    'fairlane_core.mode',
    concat_ws(
      ' ',
      -- A worker that releases its task has not failed at it.
      case when p_status = 'Queued' then 'forgives_starts' end,
      -- Workers may release what they run; to cancel a task they must prove that it is theirs.
      case
        when fairlane_core.is_holder(v_caller, v_task)
          and (p_status = 'Queued' or (p_status = 'Cancelled' and (v_caller.kind = 'token' or p_lease_token is not null)))
          then 'let_go:' || v_task.id
      end
    ),
    true
  );
  update fairlane.tasks as t
  set status = p_status,
    attempts = t.attempts - (p_status = 'Queued')::integer,
    output_location = coalesce(fairlane_core.cut_text(nullif(p_output_location, '')), t.output_location),
    thumbnail_url = coalesce(p_thumbnail_url, t.thumbnail_url),
    result_data = coalesce(p_result_data, t.result_data),
    error_message = case
      when p_status = 'In Progress' then t.error_message
      else coalesce(
        fairlane_core.cut_text(nullif(p_error_message, '')),
        -- Deployed orchestrators give the reason for a cancellation in this field.
        case when p_status = 'Cancelled' then fairlane_core.cut_text(nullif(p_output_location, '')) end,
        t.error_message
      )
    end,
    generation_started_at = case when p_reset_generation_started_at then fairlane_core.now() else t.generation_started_at end,
    delivered_at = coalesce(t.delivered_at, fairlane_core.now()),
    reported_at = fairlane_core.now()
  where t.id = v_task.id
  returning t.* into v_task;
  perform set_config('fairlane_core.mode', '', true);

  -- A text from an orchestrator means that it has enqueued its children; they may all have ended by now. What follows
  -- is still attributed to the reporter.
  if p_status = 'In Progress' and coalesce(p_output_location, '') <> '' then
    perform fairlane_core.note_enqueued(v_task.id, p_output_location);
    select t.* into v_task from fairlane.tasks as t where t.id = v_task.id;
  end if;
  perform fairlane_core.set_event_context(null);
  return fairlane_core.report_reply(v_task, true);
end;
$$;

-- The task that a report is about, locked, with its live relatives if it may end as p_ends_as (Complete, Failed,
-- Cancelled). 404 TASK_NOT_FOUND when it does not exist; somebody else's task gets exactly the same answer.
create function fairlane_core.lock_task_for(p_caller fairlane_core.caller, p_task_id uuid, p_ends_as text default null)
returns fairlane.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task fairlane.tasks;
begin
  -- An app that cancels for its user can retry sooner than a worker.
  perform fairlane_core.open_tables(p_caller.kind <> 'user');

  -- Relatives are locked together with the task and before anything else; but nobody may lock a stranger's.
  if p_ends_as is not null and exists (
    select
    from fairlane.tasks as t
    where t.id = p_task_id
      and t.status in ('Queued', 'In Progress')
      and (p_caller.kind = 'service' or t.user_id = p_caller.user_id)
  ) then
    perform fairlane_core.lock_relatives(p_task_id, p_ends_as);
  end if;

  select t.*
  into v_task
  from fairlane.tasks as t
  where t.id = p_task_id
    and (p_caller.kind = 'service' or t.user_id = p_caller.user_id)
  for no key update;

  if v_task.id is null then
    perform fairlane_core.refuse(404, 'TASK_NOT_FOUND', pg_catalog.format('There is no task %s', p_task_id));
  end if;
  return v_task;
end;
$$;

-- Takes the table locks of a report first, while the caller waits only 200 ms for a lock: a locked table is reported at
-- once. After that only rows can be waited for, those of one owner. For rows a report waits longer: its worker has
-- nothing better to do, and its work must not be lost. But a waiting call occupies a connection that others need.
-- Takes the tables that reports write, within lock_timeout, and sets lock_timeout to
-- fairlane_core.settings.max_report_wait (for anything but a worker's report: twice max_lock_wait) until the calling
-- function of the API returns.
create function fairlane_core.open_tables(p_is_report boolean)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  lock table fairlane.tasks, fairlane.task_events, fairlane.generations, fairlane_core.user_slots, fairlane_core.user_queues in row exclusive mode;
  lock table fairlane.owners, fairlane.projects in row share mode;
  perform set_config('lock_timeout', ceil(1000 * extract(epoch from case when p_is_report then s.max_report_wait else 2 * s.max_lock_wait end)) || 'ms', true)
  from fairlane_core.settings as s;
end;
$$;

-- Whether a caller runs the task. A lease proves nothing here: owners can read it. The service key speaks for any
-- worker of the fleet, because deployed workers do not identify themselves; a signed-in user runs nothing.
create function fairlane_core.is_holder(p_caller fairlane_core.caller, p_task fairlane.tasks)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case p_caller.kind
    when 'service' then p_task.token_id is null
    when 'token' then p_task.token_id is not distinct from p_caller.token_id
    else false
  end;
end;
$$;

-- A worker that sends its lease token learns when the task is no longer its own: 409 LEASE_LOST when the token is not
-- that of the task's last lease.
create function fairlane_core.refuse_stale_lease(p_task fairlane.tasks, p_lease_token uuid)
returns void
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if p_lease_token is distinct from p_task.lease_token then
    perform fairlane_core.refuse(
      409, 'LEASE_LOST',
      pg_catalog.format('Stop: task %s is no longer yours, it was given to another worker or taken back', p_task.id),
      'Drop this task and claim the next one; nothing was changed'
    );
  end if;
end;
$$;

-- The reply to a report other than a result also says whether it changed anything: a failure may only be recorded.
create function fairlane_core.report_reply(p_task fairlane.tasks, p_changed boolean)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return fairlane_core.task_reply(p_task)::jsonb || jsonb_build_object('changed', p_changed);
end;
$$;

-- The reply of complete and update. A repeat gets the same one: whether it was the first is in the history.
-- Returns task_id, status, output_location, public_url (once Complete), thumbnail_url, error_message, attempt,
-- generation_created, generation_id.
create function fairlane_core.task_reply(p_task fairlane.tasks)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return json_build_object(
    'task_id', p_task.id,
    'status', p_task.status,
    'output_location', p_task.output_location,
    'public_url', case when p_task.status = 'Complete' then coalesce(p_task.file_location, p_task.output_location) end,
    'thumbnail_url', p_task.thumbnail_url,
    'error_message', p_task.error_message,
    'attempt', p_task.attempts,
    'generation_created', p_task.generation_created,
    'generation_id', (select g.id from fairlane.generations as g where g.task_id = p_task.id)
  );
end;
$$;
