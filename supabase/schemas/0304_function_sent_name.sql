-- A worker's name as it was sent, for replies and texts that its owner reads.
create function queue.sent_name(p_worker_id text)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return regexp_replace(p_worker_id, '^token:[0-9a-f-]{36}:', '');
end;
$$;

comment on function queue.sent_name(text) is 'The name without the token that queue.holder_name has put before it.';

revoke all on function queue.sent_name(text) from public, anon, authenticated, service_role;
