-- A text that is a JSON object, as Python writes it (NaN and Infinity included, which become 0 here), and short enough to be
-- kept whole. Most texts are URLs, and told by their first character.
create function queue.json_object_of(p_text text)
returns json
language plpgsql
immutable
strict
security invoker
set search_path = ''
as $$
declare
  v_json json;
begin
  if ltrim(pg_catalog.left(p_text, 100), E' \t\r\n') not like '{%' or length(p_text) > 65536 then
    return null;
  end if;
  begin
    v_json := regexp_replace(p_text, '-?\m(?:NaN|Infinity)\M', '0', 'g')::json;
    return case when json_typeof(v_json) = 'object' then v_json end;
  exception when others then
    return null; -- no JSON, or nothing that Postgres can read
  end;
end;
$$;

comment on function queue.json_object_of(text) is
  'This text as a JSON object; null when it is none, or has more than 65,536 characters.';

revoke all on function queue.json_object_of(text) from public, anon, authenticated, service_role;
