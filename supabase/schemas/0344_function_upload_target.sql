-- Whose folder the files of a task go to, and whether it still takes any. Asked before anything is stored, so that
-- neither a stranger nor a task that has ended leaves an object behind.
create function queue.upload_target(p_caller jsonb, p_task_id uuid, p_lease_token uuid)
returns json
language plpgsql
volatile
security definer -- writes delivered_at, which no API role may
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task public.tasks := queue.lock_task_for(v_caller, p_task_id);
begin
  if p_lease_token is not null then
    perform queue.refuse_stale_lease(v_task, p_lease_token);
  end if;

  -- Whoever has a file for the task has the task: the same proof as any other report.
  if v_task.status = 'In Progress' then
    update public.tasks as t
    set delivered_at = coalesce(t.delivered_at, queue.now()),
      reported_at = queue.now()
    where t.id = v_task.id;
  end if;

  return json_build_object(
    'task_id', v_task.id,
    'user_id', v_task.user_id,
    'status', v_task.status,
    'attempt', v_task.attempts,
    -- The states from which a task can become Complete, see queue.complete_task.
    'is_open', v_task.status = 'In Progress' or (v_task.status = 'Queued' and v_task.claimed_at is not null)
  );
end;
$$;

comment on function queue.upload_target(jsonb, uuid, uuid) is 'See public.upload_target.';

revoke all on function queue.upload_target(jsonb, uuid, uuid) from public, anon, authenticated, service_role;
grant execute on function queue.upload_target(jsonb, uuid, uuid) to service_role;
