-- See queue.json_fault.
create function queue.refuse_large_json(p_value jsonb, p_name text)
returns void
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_fault text := queue.json_fault(p_value);
begin
  if v_fault is not null then
    perform queue.refuse(
      413, 'PARAMS_TOO_LARGE', pg_catalog.format('The %s are too large: %s', p_name, v_fault),
      'Store what is large as a file, and send its URL'
    );
  end if;
end;
$$;

comment on function queue.refuse_large_json(jsonb, text) is
  'Raises 413 PARAMS_TOO_LARGE when the value is out of the bounds of queue.json_fault.';

revoke all on function queue.refuse_large_json(jsonb, text) from public, anon, authenticated, service_role;
