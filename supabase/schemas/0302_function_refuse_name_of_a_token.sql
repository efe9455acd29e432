-- The names that users' own machines hold tasks under are nobody else's.
create function queue.refuse_name_of_a_token(p_worker_id text)
returns void
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if starts_with(p_worker_id, 'token:') then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('A worker of the fleet may not be called %s: names that begin with token: are those of tokens', left(p_worker_id, 100)),
      'Send another worker_id'
    );
  end if;
end;
$$;

comment on function queue.refuse_name_of_a_token(text) is
  'Raises 400 INVALID_ARGUMENT when a name begins as those of users'' own machines do.';

revoke all on function queue.refuse_name_of_a_token(text) from public, anon, authenticated, service_role;
