-- Who is behind a change, for the history. Queue functions say it once per transaction; of a direct change through the
-- Data API the caller's JWT tells the user, or at least the role.
create function queue.actor()
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_claims jsonb;
begin
  if coalesce(current_setting('queue.actor', true), '') <> '' then
    return current_setting('queue.actor', true);
  end if;
  v_claims := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
  return coalesce(
    case when v_claims ->> 'role' = 'authenticated' then 'user:' || (v_claims ->> 'sub') end,
    v_claims ->> 'role',
    session_user::text
  );
end;
$$;

comment on function queue.actor() is
  'Who is behind the current change: what the queue function in charge said, else the user or the role in the caller''s JWT, else the database user.';

revoke all on function queue.actor() from public, anon, authenticated, service_role;
