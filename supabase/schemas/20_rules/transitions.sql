-- Which status may follow which, for tasks and for workers, and what the history says of a change.

-- The state machine (docs/architecture.md), as a test of two versions of a row. A claim and a requeue prove themselves
-- by a column that no API role may write, so a direct PATCH can be neither.
create function fairlane_core.is_legal_transition(p_old fairlane.tasks, p_new fairlane.tasks)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case
    when p_new.status = 'Queued' and p_old.status = 'Queued' then true
    when p_new.status = 'Queued' and p_old.status = 'In Progress' then true
    when p_new.status = 'Queued' then p_new.requeue_count > p_old.requeue_count
    when p_new.status = p_old.status then true
    when p_old.status = 'Queued' and p_new.status = 'In Progress'
      then p_new.lease_token is distinct from p_old.lease_token and p_new.lease_token is not null
    -- A result that arrives after the task was rescued; a task that was never started has none.
    when p_old.status = 'Queued' and p_new.status = 'Complete' then p_old.claimed_at is not null
    when p_old.status in ('Queued', 'In Progress') then p_new.status in ('Complete', 'Failed', 'Cancelled')
    else false
  end;
end;
$$;

-- Orchestrators look for lost tasks and then PATCH them by id, without checking again who holds them. Meanwhile the
-- queue may have requeued such a task and handed it to another machine: that attempt is not the one they saw. Their
-- resets are known by their text, and none of them concerns an attempt as young as this.
-- Whether this direct change is an orchestrator's reset of a task that was handed out again after it looked: not the
-- first attempt, younger than a minute, held by a live worker.
create function fairlane_core.is_overtaken_reset(p_old fairlane.tasks, p_new fairlane.tasks)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return p_old.status = 'In Progress'
    and p_new.status = 'Queued'
    and p_new.error_message like 'Reset - %'
    and p_old.attempts + p_old.uncounted_releases > 1
    and p_old.token_id is null
    and p_old.claimed_at > fairlane_core.now() - interval '1 minute'
    and (
      p_old.pool <> 'gpu'
      or exists (
        select
        from fairlane.workers as w
        where w.id = p_old.worker_id
          and not fairlane_core.has_ended(w.status)
          and fairlane_core.is_beating(w.last_heartbeat)
      )
    );
end;
$$;

-- What the history says of a change of state, or of a new attempt by the same holder, when no function has set a reason
-- (fairlane_core.set_event_context): what is new in the row itself.
create function fairlane_core.reason_of_change(
  p_from text, p_to text, p_is_another_start boolean, p_old_message text, p_message text, p_old_details text, p_details text, p_is_direct boolean
)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case
    when p_to = 'In Progress' and p_is_another_start then 'started again by its holder'
    when p_to = 'In Progress' then 'handed out again, the reply was lost'
    when p_to not in ('Failed', 'Queued', 'Cancelled') then null
    when p_message is distinct from p_old_message then p_message
    when p_details is distinct from p_old_details then p_details
    when p_to = 'Failed' then p_message
    -- The same text written again, which a trigger cannot distinguish from no text.
    when p_from = 'In Progress' and p_is_direct then p_message
  end;
end;
$$;

-- Whether this status says that a worker has ended, whoever wrote it.
create function fairlane_core.has_ended(p_status text)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return p_status in ('terminated', 'error', 'crashed');
end;
$$;
