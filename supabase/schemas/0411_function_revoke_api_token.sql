-- Takes a personal access token back, effective at its next use. What its machine holds is put back by the trigger.
create function queue.revoke_api_token(p_token_id uuid)
returns boolean
language plpgsql
volatile
security definer -- signed-in users may not write the table
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  -- Its machine's work goes back with it.
  lock table public.user_api_tokens in row exclusive mode;
  perform queue.open_tables(false);
  update public.user_api_tokens as k
  set revoked_at = queue.now()
  where k.id = p_token_id
    and k.user_id = (select auth.uid())
    and k.revoked_at is null;
  return found;
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function queue.revoke_api_token(uuid) is 'See public.revoke_api_token.';

revoke all on function queue.revoke_api_token(uuid) from public, anon, authenticated, service_role;
grant execute on function queue.revoke_api_token(uuid) to authenticated;

create function public.revoke_api_token(p_token_id uuid)
returns boolean
language sql
volatile
security invoker
set search_path = ''
as $$
  select queue.revoke_api_token(p_token_id)
$$;

comment on function public.revoke_api_token(uuid) is
  'Revokes one of the signed-in user''s tokens; false when there is no such token in use.';

revoke all on function public.revoke_api_token(uuid) from public, anon, authenticated, service_role;
grant execute on function public.revoke_api_token(uuid) to authenticated;
