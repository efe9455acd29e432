-- Whether a running orchestration task has enqueued everything in the start that this lease is the proof of.
create function queue.is_handed_over(p_orchestrator_id uuid, p_lease_token uuid)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return exists (
    select
    from queue.handovers as h
    where h.orchestrator_id = p_orchestrator_id
      and h.lease_token = coalesce(p_lease_token, '00000000-0000-0000-0000-000000000000')
  );
end;
$$;

comment on function queue.is_handed_over(uuid, uuid) is
  'Whether this orchestration task, in this start, needs no worker any more.';

revoke all on function queue.is_handed_over(uuid, uuid) from public, anon, authenticated, service_role;
