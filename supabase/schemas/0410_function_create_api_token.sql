-- A new personal access token. The only moment at which the token itself exists: it is answered and forgotten.
create function queue.create_api_token(p_label text, p_expires_at timestamptz)
returns text
language plpgsql
volatile
security definer -- signed-in users may not write the table
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
declare
  v_user_id uuid := (select auth.uid());
  v_token text;
begin
  if v_user_id is null then
    perform queue.refuse(403, 'FORBIDDEN', 'Only a signed-in user can create a token', 'Sign in');
  elsif p_expires_at <= queue.now() then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The time expires_at must lie ahead');
  elsif p_expires_at >= '2101-01-01 00:00:00+00' then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The time expires_at must lie before the year 2101', 'Leave it out for no end');
  elsif length(p_label) > 255 then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The label must have at most 255 characters');
  end if;

  lock table public.user_api_tokens in row exclusive mode;
  lock table public.users in row share mode;
  -- From here on only the user's own other requests are waited for, and those not for ever: who waits holds a connection.
  perform set_config('lock_timeout', ceil(2000 * extract(epoch from s.max_lock_wait)) || 'ms', true) from queue.settings as s;
  -- Two requests at once: the second counts the token of the first.
  perform pg_advisory_xact_lock(hashtextextended('queue.tokens:' || v_user_id, 0));
  -- A deletion that is under way is waited for, and one that comes later waits, and takes this token along.
  perform from public.users as u where u.id = v_user_id for key share;
  if queue.is_being_deleted(v_user_id) then
    perform queue.refuse(403, 'FORBIDDEN', 'This user is being deleted');
  end if;
  if (
    select count(*)
    from public.user_api_tokens as k
    where k.user_id = v_user_id
      and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > queue.now())
  ) >= 20 then
    perform queue.refuse(409, 'TOO_MANY_TOKENS', 'A user has at most 20 tokens, all of yours are in use', 'Revoke one first');
  end if;

  -- Two version 4 UUIDs hold 244 random bits.
  v_token := 'tq_' || replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');

  insert into public.user_api_tokens (user_id, label, token_hash, token_prefix, expires_at, created_at)
  values (
    v_user_id, coalesce(p_label, ''), encode(sha256(convert_to(v_token, 'UTF8')), 'hex'), left(v_token, 8),
    p_expires_at, queue.now()
  );
  return v_token;
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function queue.create_api_token(text, timestamptz) is 'See public.create_api_token.';

revoke all on function queue.create_api_token(text, timestamptz) from public, anon, authenticated, service_role;
grant execute on function queue.create_api_token(text, timestamptz) to authenticated;

create function public.create_api_token(p_label text default '', p_expires_at timestamptz default null)
returns text
language sql
volatile
security invoker
set search_path = ''
as $$
  select queue.create_api_token(p_label, p_expires_at)
$$;

comment on function public.create_api_token(text, timestamptz) is
  'Creates a personal access token for the signed-in user and returns it, this once. Errors: 400 INVALID_ARGUMENT, 403 FORBIDDEN, 409 TOO_MANY_TOKENS.';

revoke all on function public.create_api_token(text, timestamptz) from public, anon, authenticated, service_role;
grant execute on function public.create_api_token(text, timestamptz) to authenticated;
