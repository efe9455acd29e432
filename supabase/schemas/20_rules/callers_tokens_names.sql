-- Who calls: a service key, a personal access token (looked up at each call) or a signed-in user; and the name under
-- which a worker holds tasks.

-- Who is calling. The functions check service keys and JWTs; a personal token is looked up here, in the transaction of
-- the work, so that revoking one takes effect at the next call.
-- Returns the caller that {"kind":"service"}, {"kind":"token","hash":…} or {"kind":"user","user_id":…} names; refuses
-- unknown tokens (403 UNKNOWN_TOKEN) and kinds that are not allowed (403 FORBIDDEN).
create function fairlane_core.resolve_caller(p_caller jsonb, p_allowed text[])
returns fairlane_core.caller
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_caller fairlane_core.caller;
begin
  v_caller.kind := p_caller ->> 'kind';

  if v_caller.kind = 'token' then
    select k.user_id, k.id
    into v_caller.user_id, v_caller.token_id
    from fairlane.user_api_tokens as k
    where k.token_hash = p_caller ->> 'hash'
      and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > fairlane_core.now());
    if v_caller.token_id is null then
      perform fairlane_core.refuse(403, 'UNKNOWN_TOKEN', 'This token is unknown, expired or revoked', 'Create a new token');
    end if;
  elsif v_caller.kind = 'user' then
    v_caller.user_id := (p_caller ->> 'user_id')::uuid;
  end if;

  if v_caller.kind is null or not v_caller.kind = any (p_allowed)
    or (v_caller.kind <> 'service' and v_caller.user_id is null) then
    perform fairlane_core.refuse(
      403, 'FORBIDDEN',
      pg_catalog.format('A caller of kind %s may not do this', coalesce(v_caller.kind, 'unknown')),
      pg_catalog.format('Call with: %s', array_to_string(p_allowed, ', '))
    );
  end if;

  return v_caller;
end;
$$;

-- Whether a user makes the current change, signed in or by a personal token, and not the service key or an operator:
-- some rules bind users only.
create function fairlane_core.acts_for_a_user()
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return fairlane_core.actor() ~ '^(authenticated$|user:|token:)';
end;
$$;

-- A new personal access token. The token itself is returned once and not stored.
-- See fairlane.create_api_token.
create function fairlane_core.create_api_token(p_label text, p_expires_at timestamptz)
returns text
language plpgsql
volatile
security definer -- signed-in users may not write the table
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
declare
  v_user_id uuid := (select auth.uid());
  v_token text;
begin
  if v_user_id is null then
    perform fairlane_core.refuse(403, 'FORBIDDEN', 'Only a signed-in user can create a token', 'Sign in');
  elsif p_expires_at <= fairlane_core.now() then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The time expires_at must be in the future');
  elsif p_expires_at >= '2101-01-01 00:00:00+00' then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The time expires_at must be before the year 2101', 'Leave it out for no end');
  elsif length(p_label) > 255 then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The label must have at most 255 characters');
  end if;

  lock table fairlane.user_api_tokens in row exclusive mode;
  lock table fairlane.owners in row share mode;
  -- From here on we wait only for the user's own other requests, and not for ever: a waiting call occupies a
  -- connection.
  perform fairlane_core.limit_lock_waits(2);
  -- Two requests at once: the second counts the token of the first.
  perform pg_advisory_xact_lock(hashtextextended('fairlane_core.tokens:' || v_user_id, 0));
  perform fairlane_core.register_owner(v_user_id);
  -- Wait for a deletion under way; a later one waits for us and deletes this token too.
  perform from fairlane.owners as u where u.id = v_user_id for key share;
  if fairlane_core.is_being_deleted(v_user_id) then
    perform fairlane_core.refuse(403, 'FORBIDDEN', 'This user is being deleted');
  end if;
  if (
    select count(*)
    from fairlane.user_api_tokens as k
    where k.user_id = v_user_id
      and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > fairlane_core.now())
  ) >= 20 then
    perform fairlane_core.refuse(409, 'TOO_MANY_TOKENS', 'A user has at most 20 tokens, all of yours are in use', 'Revoke one first');
  end if;

  -- Two version 4 UUIDs hold 244 random bits.
  v_token := 'tq_' || replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');

  insert into fairlane.user_api_tokens (user_id, label, token_hash, token_prefix, expires_at, created_at)
  values (
    v_user_id, coalesce(p_label, ''), encode(sha256(convert_to(v_token, 'UTF8')), 'hex'), left(v_token, 8),
    p_expires_at, fairlane_core.now()
  );
  return v_token;
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

-- Revokes a personal access token, effective at its next use. The trigger requeues what its machine holds.
-- See fairlane.revoke_api_token.
create function fairlane_core.revoke_api_token(p_token_id uuid)
returns boolean
language plpgsql
volatile
security definer -- signed-in users may not write the table
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  -- Its machine's work is requeued in the same transaction.
  lock table fairlane.user_api_tokens in row exclusive mode;
  perform fairlane_core.open_tables(false);
  update fairlane.user_api_tokens as k
  set revoked_at = fairlane_core.now()
  where k.id = p_token_id
    and k.user_id = (select auth.uid())
    and k.revoked_at is null;
  return found;
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

-- The worker_id under which a caller's worker holds tasks: token:<token id>:<name> for a token, the name itself for a
-- service key, which may not begin with token: (400 INVALID_ARGUMENT). Owners see the ids of the fleet's workers;
-- because the prefix contains the token, nobody can hold anything under another caller's id.
create function fairlane_core.holder_name(p_caller fairlane_core.caller, p_worker_id text)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if p_caller.kind = 'token' then
    return fairlane_core.caller_name(p_caller) || ':' || p_worker_id;
  end if;
  perform fairlane_core.refuse_name_of_a_token(p_worker_id);
  return p_worker_id;
end;
$$;

-- How the history names a caller (task_events.actor): service, token:<token id> or user:<user id>.
create function fairlane_core.caller_name(p_caller fairlane_core.caller)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case p_caller.kind
    when 'token' then 'token:' || p_caller.token_id
    when 'user' then 'user:' || p_caller.user_id
    else p_caller.kind
  end;
end;
$$;

-- Names with the prefix of users' own machines are reserved: 400 INVALID_ARGUMENT for any other worker that uses it.
create function fairlane_core.refuse_name_of_a_token(p_worker_id text)
returns void
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if starts_with(p_worker_id, 'token:') then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('A worker of the fleet may not be called %s: names that begin with token: are reserved for tokens', left(p_worker_id, 100)),
      'Send another worker_id'
    );
  end if;
end;
$$;

-- A worker's name as it was sent, without the token prefix of fairlane_core.holder_name, for replies and texts that its
-- owner reads.
create function fairlane_core.sent_name(p_worker_id text)
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

-- One operation at a time under one name: the same request sent twice, two claims of one worker. The second waits for
-- the first, which is short unless its transaction is left open; then the outcome is unknown, and the caller repeats.
-- Takes the advisory lock of this name for the transaction; 503 UNAVAILABLE when another transaction holds it for
-- longer than fairlane_core.settings.max_lock_wait. p_what says in the message which request is still running.
create function fairlane_core.wait_for_name(p_name text, p_what text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '240ms' -- restored when the function ends; the effective value is set below
as $$
begin
  perform fairlane_core.limit_lock_waits(1);
  perform pg_advisory_xact_lock(hashtextextended(p_name, 0));
exception when lock_not_available then
  perform fairlane_core.refuse(
    503, 'UNAVAILABLE', pg_catalog.format('%s is still being answered by a transaction that does not end', p_what),
    'Repeat the same request'
  );
end;
$$;
