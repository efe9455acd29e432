-- A worker that names its lease is told when the task is no longer its own.
create function queue.refuse_stale_lease(p_task public.tasks, p_lease_token uuid)
returns void
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if p_lease_token is distinct from p_task.lease_token then
    perform queue.refuse(
      409, 'LEASE_LOST',
      pg_catalog.format('Stop: task %s is no longer yours, it was given to another worker or taken back', p_task.id),
      'Drop this task and claim the next one; nothing was changed'
    );
  end if;
end;
$$;

comment on function queue.refuse_stale_lease(public.tasks, uuid) is
  'Raises 409 LEASE_LOST when the token is not the one of the task''s last lease.';

revoke all on function queue.refuse_stale_lease(public.tasks, uuid) from public, anon, authenticated, service_role;
