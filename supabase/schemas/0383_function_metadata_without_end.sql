-- What was said of one end of a worker belongs to that end: once it is over it must neither be read as the reason of the
-- next one, nor bring it about.
create function queue.metadata_without_end(p_metadata jsonb)
returns jsonb
language sql
immutable
security invoker
set search_path = ''
as $$
  select p_metadata - '{error_reason,error_time,termination_reason,self_terminated}'::text[];
$$;

comment on function queue.metadata_without_end(jsonb) is
  'A worker''s metadata without error_reason, error_time, termination_reason and self_terminated.';

revoke all on function queue.metadata_without_end(jsonb) from public, anon, authenticated, service_role;
-- A trigger asks it with the rights of whoever writes.
grant execute on function queue.metadata_without_end(jsonb) to service_role;
