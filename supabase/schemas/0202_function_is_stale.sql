-- Work that nobody started for a week is not started by surprise. A live parent (the orchestrator that
-- enqueued it) keeps a task fresh.
create function queue.is_stale(p_created_at timestamptz, p_attempts integer, p_params jsonb)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_parent_id uuid;
begin
  if p_attempts > 0 or p_created_at >= queue.now() - (select s.stale_after from queue.settings as s) then
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

comment on function queue.is_stale(timestamptz, integer, jsonb) is
  'Whether a queued task was never started, is older than queue.settings.stale_after and has no live parent.';

revoke all on function queue.is_stale(timestamptz, integer, jsonb) from public, anon, authenticated, service_role;
