-- Who is behind a change, for the history. Queue functions say it once per transaction; for a direct
-- change through the Data API the caller's role is what is known.
create function queue.actor()
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return coalesce(
    nullif(current_setting('queue.actor', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role',
    session_user::text
  );
end;
$$;

comment on function queue.actor() is
  'Who is behind the current change: what the queue function in charge said, else the role in the caller''s JWT, else the database user.';

revoke all on function queue.actor() from public, anon, authenticated, service_role;
