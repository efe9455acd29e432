-- Whether a task's params can be handed out. What came in since they have a bound has it; a row from before may hold
-- what nobody can write out.
create function queue.fits_a_reply(p_has_bounded_params boolean, p_params jsonb)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return p_has_bounded_params or queue.written_length(p_params, 8388608) is not null;
end;
$$;

comment on function queue.fits_a_reply(boolean, jsonb) is
  'Whether these params take at most 8 MiB written out; measured only where has_bounded_params is false.';

revoke all on function queue.fits_a_reply(boolean, jsonb) from public, anon, authenticated, service_role;
