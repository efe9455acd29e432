-- Params as those may see them who neither work on the task nor own it. Tasks of the pool banodoco bring a user's JWT
-- along, which is for their worker alone, wherever in the params it stands.
create function queue.without_secrets(p_params jsonb)
returns jsonb
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if not jsonb_path_exists(p_params, '$.**.user_jwt') then
    return p_params; -- like most, and most of what lies beside one
  elsif jsonb_typeof(p_params) = 'array' then
    return (
      select jsonb_agg(queue.without_secrets(e.value) order by e.place)
      from jsonb_array_elements(p_params) with ordinality as e (value, place)
    );
  end if;
  return (
    select jsonb_object_agg(e.key, case e.key when 'user_jwt' then '"[redacted]"' else queue.without_secrets(e.value) end)
    from jsonb_each(p_params) as e
  );
end;
$$;

comment on function queue.without_secrets(jsonb) is
  'These params with [redacted] in place of each user_jwt, at any depth, for whoever neither works on the task nor owns it.';

revoke all on function queue.without_secrets(jsonb) from public, anon, authenticated, service_role;
