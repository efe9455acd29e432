-- Every refusal leaves through here, so that each has a status, a stable code and words.
-- PostgREST turns SQLSTATE PTnnn into HTTP status nnn and shows detail and hint as they are.
create function queue.refuse(p_http_status integer, p_code text, p_message text, p_hint text default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if p_hint is null then
    raise exception using errcode = 'PT' || p_http_status, message = p_message, detail = p_code;
  end if;
  raise exception using errcode = 'PT' || p_http_status, message = p_message, detail = p_code, hint = p_hint;
end;
$$;

comment on function queue.refuse(integer, text, text, text) is
  'Raises a refusal: SQLSTATE PT<http status>, the sentence as message, the stable code (docs/errors.md) as detail, what to do as hint.';

revoke all on function queue.refuse(integer, text, text, text) from public, anon, authenticated, service_role;
