-- The session variables of the queue: three, all on this page. Each is set for the transaction alone (set_config with
-- true) and put back by whoever has set it, right after the statement that it is about. '' or null = nothing is said.
-- Nothing else of a session steers a trigger, but PostgREST's own request.* and lock_timeout.
--
-- fairlane_core.event: who is behind the changes that follow, and why, as {actor, reason, details}. '' = a direct change: a
--   caller's own write, through no function of the queue.
--     set by   fairlane_core.set_event_context alone; fairlane_core.end_tasks, complete_for, requeue_lost_part and note_enqueued speak for the cause of a
--              change for a moment, and then put back what was said of it
--     read by  fairlane_core.actor, tasks_before_update, and tasks_after_update, which writes it into fairlane.task_events; whether
--              a change is direct is asked by these two and by is_plain_write
--
-- fairlane_core.mode: what a function does itself, or means, so that a trigger need not, or may: words with a blank between.
--     counts_itself    claim_next_task, start_task: readiness, counters and history are set by the start itself. Beats
--                      (show_signs_of_life, beat_of_token): nothing follows. It stands alone, so that the conditions of
--                      tasks_before_update and tasks_after_update, which every update pays for, compare and do no more
--     forgives_starts  requeue_lost, free_work, update_task_status: a task that goes back with one start less gets it back
--                      (tasks_before_update)
--     let_go:<task>    requeue_lost, and who ends its own start (complete_task, fail_task, update_task_status, start_again):
--                      its holder holds no slot of this task any more (tasks_after_update, held_after)
--     gone:<task>      requeue_lost: the machine itself named this task in its last beat (signs_of_life)
--     ends_in_turn     end_tasks: whoever ends these tasks looks after what waits for them (tasks_after_update)
--     bills            let_go: until when a machine is paid is written on a task that has ended (tasks_before_update)
--     rescues          rescue: it puts back what its workers ran (workers_after_write)
--     moves_project    move_project: tasks and families go along (projects_after_update, tasks_after_update)
--
-- fairlane_core.noticed: what tasks_before_update has seen in a row and tasks_after_update is to know, of the same statement, as
--   {regroups, error_message}; tasks_after_update takes it.

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
