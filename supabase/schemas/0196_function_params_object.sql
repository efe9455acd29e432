-- Workers index into params: anything but an object kills them. A JSON text of an object is read as the object.
create function queue.params_object(p_params jsonb)
returns jsonb
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_params jsonb := coalesce(p_params, '{}');
begin
  if jsonb_typeof(v_params) = 'string' then
    begin
      v_params := (v_params #>> '{}')::jsonb;
    exception when invalid_text_representation then
      null; -- refused below, like every other value that is no object
    end;
  end if;

  if jsonb_typeof(v_params) <> 'object' then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('The params must be a JSON object, not %s', jsonb_typeof(v_params))
    );
  end if;
  return v_params;
end;
$$;

comment on function queue.params_object(jsonb) is
  'The params as a JSON object: null = {}, a JSON text is parsed; raises 400 INVALID_ARGUMENT for anything else.';

revoke all on function queue.params_object(jsonb) from public, anon, authenticated, service_role;
