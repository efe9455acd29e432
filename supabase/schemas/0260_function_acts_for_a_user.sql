-- Users are bound by rules that the fleet and operators are not: in person, or by a function in their name.
create function queue.acts_for_a_user()
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.actor() ~ '^(authenticated$|user:|token:)';
end;
$$;

comment on function queue.acts_for_a_user() is
  'Whether a user is behind the current change, signed in or by a personal token, and not the service key or an operator.';

revoke all on function queue.acts_for_a_user() from public, anon, authenticated, service_role;
