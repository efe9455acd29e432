-- Work that nobody started for a week is not started by surprise. It counts from when the task could first run: the
-- latest of created_at, available_at (its own time) and released_at (the end of what it waited for). A live parent (the
-- orchestrator that enqueued it) keeps a task fresh. Handed out once is started, also when that start was taken off again.
create function queue.is_stale(p_since timestamptz, p_was_started boolean, p_params jsonb)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_parent_id uuid;
begin
  if p_was_started or p_since >= queue.stale_before() then
    return false;
  end if;

  v_parent_id := queue.parent_task_id(p_params);

  return v_parent_id is null or not exists (
    select from public.tasks as t
    where t.id = v_parent_id
      and t.status in ('Queued', 'In Progress')
  );
end;
$$;

comment on function queue.is_stale(timestamptz, boolean, jsonb) is
  'Whether a queued task that could run since p_since was never started for queue.settings.stale_after and has no live parent.';

revoke all on function queue.is_stale(timestamptz, boolean, jsonb) from public, anon, authenticated, service_role;
