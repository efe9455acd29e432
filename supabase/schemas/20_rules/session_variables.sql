-- The session variables of the queue: three, all on this page. Each is set for the transaction only (set_config with
-- true) and restored by the function that set it, right after the statement it is meant for. '' or null = not set.
-- Nothing else in a session steers a trigger, except PostgREST's own request.* and lock_timeout.
--
-- fairlane_core.event: who makes the changes that follow, and why, as {actor, reason, details}. '' = a direct change: a
--   caller's own write, through no function of the queue.
--     set by   fairlane_core.set_event_context alone; end_tasks, complete_for, requeue_lost_part and note_enqueued set it
--              to the cause of one change, and then restore it
--     read by  fairlane_core.actor, tasks_before_update, and tasks_after_update, which writes it into
--              fairlane.task_events; these two and is_plain_write also read from it whether a change is direct
--
-- fairlane_core.mode: what a function does or intends, so that a trigger skips or allows it: words separated by blanks.
--     counts_itself    claim_next_task, start_task, complete_task: they set readiness, counters and history themselves.
--                      Heartbeats (show_signs_of_life, beat_of_token): nothing follows. Always the only word, so that the
--                      conditions of tasks_before_update and tasks_after_update, which every update evaluates, just compare
--     forgives_starts  requeue_lost, free_work, update_task_status: a task that is requeued with one attempt less gets
--                      that attempt back (tasks_before_update)
--     let_go:<task>    requeue_lost, and functions that end their caller's own attempt (complete_task, fail_task,
--                      update_task_status, start_again): the holder no longer holds a slot of this task
--                      (tasks_after_update, held_after)
--     gone:<task>      requeue_lost: the machine itself named this task in its last heartbeat (signs_of_life)
--     ends_in_turn     end_tasks: the caller also ends the dependents of these tasks (tasks_after_update)
--     bills            let_go: writes until when a machine is paid on a task that has ended (tasks_before_update)
--     rescues          rescue: it requeues what its workers ran (workers_after_write)
--     moves_project    move_project: tasks and families move too (projects_after_update, tasks_after_update)
--
-- fairlane_core.noticed: what tasks_before_update has seen in a row and tasks_after_update needs, within one statement,
--   as {regroups, error_message}; tasks_after_update clears it.

-- What the history should say about the changes that follow in this transaction.
-- Sets actor, reason and details of the task events that follow in this transaction; without an actor nothing is said.
create function fairlane_core.set_event_context(p_actor text, p_reason text default null, p_details jsonb default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform set_config(
    'fairlane_core.event',
    case
      when p_actor is null then ''
      else json_build_object('actor', p_actor, 'reason', nullif(p_reason, ''), 'details', p_details)::text
    end,
    true
  );
end;
$$;

-- Who is behind a change, for the history: what the queue function in charge said (fairlane_core.set_event_context), else the user or the role
-- in the caller's JWT, else the database user.
create function fairlane_core.actor()
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_event constant text := current_setting('fairlane_core.event', true);
  v_claims jsonb;
begin
  if v_event <> '' then
    return v_event::json ->> 'actor';
  end if;
  v_claims := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
  return coalesce(
    case when v_claims ->> 'role' = 'authenticated' then 'user:' || (v_claims ->> 'sub') end,
    v_claims ->> 'role',
    session_user::text
  );
end;
$$;
