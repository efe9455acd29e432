-- Whether a user's line holds something that a worker with a model would rather run than change its model for another:
-- asked of line after line, so only single steps into an index.
create function queue.suits(p_line queue.user_lines, p_affinity queue.affinity)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  -- Orchestration loads no model.
  if p_line.ready_cloud_orchestration > 0 and p_line.orchestration_room > 0 then
    return true;
  end if;

  return exists (
    select
    from public.tasks as t
    where t.user_id = p_line.user_id
      and t.pool = p_line.pool
      and t.run_type = 'cloud'
      and t.model = p_affinity.model
      and t.takes_slot
      and t.standing = 'ready'
  ) or exists (
    select
    from public.tasks as t
    where t.user_id = p_line.user_id
      and t.pool = p_line.pool
      and t.run_type = 'cloud'
      and t.model is null
      and t.takes_slot
      and t.standing = 'ready'
  ) or (
    select t.created_at < p_affinity.waited_since
    from public.tasks as t
    where t.user_id = p_line.user_id
      and t.pool = p_line.pool
      and t.run_type = 'cloud'
      and t.takes_slot
      and t.standing = 'ready'
    order by t.priority desc, t.created_at, t.id
    limit 1
  ) is true;
end;
$$;

comment on function queue.suits(queue.user_lines, queue.affinity) is
  'Whether an open line holds orchestration with a place, a task of the affinity''s model or of no model, or at its head one that has waited too long.';

revoke all on function queue.suits(queue.user_lines, queue.affinity) from public, anon, authenticated, service_role;
