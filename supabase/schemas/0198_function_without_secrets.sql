-- Params as those may see them who neither work on the task nor own it. Tasks of the pool banodoco bring a user's JWT
-- along, which is for their worker alone.
create function queue.without_secrets(p_params jsonb)
returns jsonb
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if jsonb_typeof(p_params) = 'object' and p_params ? 'user_jwt' then
    return jsonb_set(p_params, '{user_jwt}', '"[redacted]"');
  end if;
  return p_params;
end;
$$;

comment on function queue.without_secrets(jsonb) is
  'These params with [redacted] in place of user_jwt, for whoever neither works on the task nor owns it.';

revoke all on function queue.without_secrets(jsonb) from public, anon, authenticated, service_role;
