-- What JSON may carry and Postgres cannot store: \u0000, and halves of a surrogate pair. Both become U+FFFD, the
-- character for what cannot be shown, so that one odd byte in one log line costs one character.
create function queue.readable_json(p_json json)
returns json
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_text text := p_json::text;
  -- Stands for an escaped backslash meanwhile, so that \\u0000 stays the six characters it means. JSON text holds no
  -- control characters, so this one is free.
  v_backslash constant text := chr(1);
begin
  if v_text !~* '\\u(0000|d[89a-f])' then
    return p_json;
  end if;

  v_text := replace(v_text, '\\', v_backslash);
  v_text := replace(v_text, '\u0000', '\ufffd');
  v_text := regexp_replace(v_text, '\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f][0-9a-f]{2})', '\\ufffd', 'gi');
  v_text := regexp_replace(v_text, '(?<!\\ud[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}', '\\ufffd', 'gi');
  return replace(v_text, v_backslash, '\\')::json;
end;
$$;

comment on function queue.readable_json(json) is
  'The same JSON with U+FFFD in place of every \u0000 and of every surrogate without its other half.';

revoke all on function queue.readable_json(json) from public, anon, authenticated, service_role;
