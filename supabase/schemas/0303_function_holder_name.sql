-- Under which name a caller's worker holds tasks. Owners see the ids of the fleet's workers, so a token's worker has its
-- token before its name: nobody else can hold anything under that, and it can hold nothing under anybody else's.
create function queue.holder_name(p_caller queue.caller, p_worker_id text)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if p_caller.kind = 'token' then
    return queue.caller_name(p_caller) || ':' || p_worker_id;
  end if;
  perform queue.refuse_name_of_a_token(p_worker_id);
  return p_worker_id;
end;
$$;

comment on function queue.holder_name(queue.caller, text) is
  'The worker_id that tasks get: token:<token id>:<name> for a token, the name itself for a service key, which may not begin with token: (400 INVALID_ARGUMENT).';

revoke all on function queue.holder_name(queue.caller, text) from public, anon, authenticated, service_role;
