-- Who is calling. The functions check service keys and JWTs; a personal token is looked up here, in the same
-- transaction as the work, so that revoking one is effective at the next call.
create function queue.resolve_caller(p_caller jsonb, p_allowed text[])
returns queue.caller
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_caller queue.caller;
begin
  v_caller.kind := p_caller ->> 'kind';

  if v_caller.kind = 'token' then
    select k.user_id, k.id
    into v_caller.user_id, v_caller.token_id
    from public.user_api_tokens as k
    where k.token_hash = p_caller ->> 'hash'
      and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > queue.now());
    if v_caller.token_id is null then
      perform queue.refuse(403, 'UNKNOWN_TOKEN', 'This token is unknown, expired or revoked', 'Create a new token');
    end if;
  elsif v_caller.kind = 'user' then
    v_caller.user_id := (p_caller ->> 'user_id')::uuid;
  end if;

  if v_caller.kind is null or not v_caller.kind = any (p_allowed)
    or (v_caller.kind <> 'service' and v_caller.user_id is null) then
    perform queue.refuse(
      403, 'FORBIDDEN',
      pg_catalog.format('A caller of kind %s may not do this', coalesce(v_caller.kind, 'unknown')),
      pg_catalog.format('Call with: %s', array_to_string(p_allowed, ', '))
    );
  end if;

  return v_caller;
end;
$$;

comment on function queue.resolve_caller(jsonb, text[]) is
  'The caller that {"kind":"service"}, {"kind":"token","hash":…} or {"kind":"user","user_id":…} names; refuses unknown tokens (403 UNKNOWN_TOKEN) and kinds that are not allowed (403 FORBIDDEN).';

revoke all on function queue.resolve_caller(jsonb, text[]) from public, anon, authenticated, service_role;
