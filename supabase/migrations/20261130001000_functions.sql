-- What: every rule, operation and view of the queue, the triggers that call them, and who may see and do what.
-- Why: whatever the way in, a task changes only as the state machine allows, and counters, history and records follow.
-- Back out: drop the triggers; functions of before are not kept.
-- Written by `npm run migrations`, from supabase/schemas.

set lock_timeout = '900ms';

-- Functions of the fleet's earlier backend: beside the queue's own, with other arguments, the Data API would go on calling
-- them. Where there was none, the first file has refused others of these names.
do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid
    from pg_proc as p
    where p.pronamespace = 'public'::regnamespace
      and p.proname in (
        'func_get_task_counts', 'func_insert_logs_batch', 'func_update_worker_heartbeat',
        'func_worker_heartbeat_with_logs'
      )
  loop
    execute format('drop function %s', v_function);
  end loop;
end;
$$;

create function fairlane_core.starts_allowed(p_task public.tasks)
returns integer language plpgsql stable security invoker set search_path = '' as $$
begin
  return coalesce(p_task.max_attempts, fairlane_core.max_attempts(p_task.task_type));
end;
$$;

create function fairlane_core.max_attempts(p_task_type text)
returns integer language plpgsql stable security invoker set search_path = '' as $$
begin
  return coalesce(
    (select y.max_attempts from public.task_types as y where y.name = p_task_type),
    (select s.max_attempts from fairlane_core.settings as s)
  );
end;
$$;

create function fairlane_core.is_retryable(p_task_type text)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
begin
  return coalesce((select y.is_retryable from public.task_types as y where y.name = p_task_type), true);
end;
$$;

create function fairlane_core.retry_wait(p_attempts integer)
returns interval language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_settings fairlane_core.settings;
begin
  select s.* into v_settings from fairlane_core.settings as s;
  return least(
    v_settings.max_retry_delay,
    -- Doubling stops far beyond any delay limit.
    v_settings.retry_delay * pg_catalog.power(2, least(greatest(p_attempts, 1), 20) - 1)
  ) * (0.75 + pg_catalog.random() * 0.25);
end;
$$;

create function fairlane_core.with_its_last_start(p_task public.tasks)
returns public.tasks language plpgsql stable security invoker set search_path = '' as $$
declare
  v_start record;
begin
  select e.worker_id, e.attempt, substring(h.actor from '^token:([0-9a-f-]{36})$')::uuid as token_id
  into v_start
  from public.task_events as e
    cross join lateral (
      select o.actor
      from public.task_events as o
      where o.task_id = e.task_id
        and o.id <= e.id
        and o.from_status = 'Queued'
        and o.to_status = 'In Progress'
      order by o.id desc
      limit 1
    ) as h
  where e.task_id = p_task.id
    and e.to_status = 'In Progress'
  order by e.id desc
  limit 1;
  if found then
    p_task.worker_id := v_start.worker_id;
    p_task.token_id := v_start.token_id;
    p_task.attempts := greatest(p_task.attempts, v_start.attempt);
  end if;
  return p_task;
end;
$$;

create function fairlane_core.told_reason(p_task public.tasks)
returns text language plpgsql stable security invoker set search_path = '' as $$
begin
  return (
    select e.details ->> 'held_back' -- fairlane_core.fail_task
    from public.task_events as e
    where e.task_id = p_task.id
      and e.from_status = 'In Progress'
      and e.to_status = 'In Progress'
      and e.worker_id = p_task.worker_id
      and e.attempt = p_task.attempts
      and e.details ? 'held_back'
      and e.id > (
        select max(s.id)
        from public.task_events as s
        where s.task_id = p_task.id
          and s.to_status = 'In Progress'
          and s.from_status is distinct from 'In Progress'
      )
    order by e.id desc
    limit 1
  );
end;
$$;

create function fairlane_core.is_told_again(p_task public.tasks, p_attempts integer, p_reason text)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
begin
  return p_task.status = 'In Progress'
    and coalesce(p_attempts between 1 and p_task.attempts - 1, false)
    and exists (
      select
      from public.task_events as e
      where e.task_id = p_task.id
        and e.from_status = 'In Progress'
        and e.to_status = 'Queued'
        and e.attempt = p_attempts
        and e.reason = p_reason
        and (
          e.worker_id is distinct from p_task.worker_id
          or exists (select from fairlane_core.settings as s where fairlane_core.sent_name(p_task.worker_id) = any (s.shared_worker_ids))
        )
    );
end;
$$;

create function fairlane_core.refuse_impossible_values(p_task public.tasks, p_old public.tasks default null)
returns void language plpgsql immutable security invoker set search_path = '' as $$
declare
  v_first constant timestamptz := timestamptz '2000-01-01 00:00:00+00';
  v_end constant timestamptz := timestamptz '2101-01-01 00:00:00+00';
begin
  if least(
      p_task.created_at, p_task.updated_at, p_task.available_at, p_task.generation_started_at, p_task.generation_processed_at
    ) < v_first
    or greatest(
      p_task.created_at, p_task.updated_at, p_task.available_at, p_task.generation_started_at, p_task.generation_processed_at
    ) >= v_end
  then
    if exists (
      select
      from (
        values
          (p_task.created_at, p_old.created_at),
          (p_task.updated_at, p_old.updated_at),
          (p_task.available_at, p_old.available_at),
          (p_task.generation_started_at, p_old.generation_started_at),
          (p_task.generation_processed_at, p_old.generation_processed_at)
      ) as v (new_time, old_time)
      where v.new_time is distinct from v.old_time
        and not (v.new_time >= v_first and v.new_time < v_end)
    ) then
      perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'A time of a task must be in the years 2000 to 2100', 'Send a date, not infinity');
    end if;
  end if;

  if p_task.priority not between -1000 and 1000 and p_task.priority is distinct from p_old.priority then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT', pg_catalog.format('The priority must be from -1000 to 1000, not %s', p_task.priority)
    );
  elsif length(p_task.task_type) not between 1 and 200 and p_task.task_type is distinct from p_old.task_type then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The task_type must have 1 to 200 characters');
  elsif length(p_task.idempotency_key) not between 1 and 255
    and p_task.idempotency_key is distinct from p_old.idempotency_key then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The idempotency_key must have 1 to 255 characters');
  elsif length(p_task.worker_id) > 255 and p_task.worker_id is distinct from p_old.worker_id then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The worker_id must have at most 255 characters');
  elsif p_task.attempts not between 0 and 1000 and p_old.id is null then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The attempts must be from 0 to 1000, not %s', p_task.attempts));
  elsif p_task.max_attempts is distinct from p_old.max_attempts
    -- A requeue grants as many further attempts as the type allows.
    and p_task.max_attempts not between 1 and coalesce(p_old.attempts, 0) + 1000 then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'max_attempts must be from 1 to 1000', 'Leave it out for the type''s');
  elsif p_task.timeout is distinct from p_old.timeout
    and not (p_task.timeout > interval '0' and p_task.timeout <= interval '30 days') then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT', 'The timeout must be more than 0 and at most 30 days', 'Leave it out for the type''s'
    );
  elsif p_task.run_type not in ('cloud', 'local') then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The run_type must be cloud or local, not %s', left(p_task.run_type, 100)));
  end if;
end;
$$;

create function fairlane_core.refuse_large_json(p_value jsonb, p_name text)
returns void language plpgsql immutable security invoker set search_path = '' as $$
declare
  v_fault text := fairlane_core.json_fault(p_value);
begin
  if v_fault is not null then
    perform fairlane_core.refuse(
      413, 'PARAMS_TOO_LARGE', pg_catalog.format('The %s are too large: %s', p_name, v_fault),
      'Store what is large as a file, and send its URL'
    );
  end if;
end;
$$;

create function fairlane_core.bounded_data(p_data jsonb)
returns jsonb language plpgsql immutable security invoker set search_path = '' as $$
declare
  v_fault text := fairlane_core.json_fault(p_data);
  -- Many rows of one statement may carry such data, so a text far larger than what was sent is not written at all.
  v_most integer := least(16777216, 65536 + 8 * pg_column_size(p_data || jsonb_build_object())::bigint);
begin
  if v_fault is null then
    return p_data;
  end if;
  return jsonb_build_object(
    'not_kept', v_fault,
    'result_data', case when fairlane_core.written_length(p_data, v_most) is not null then fairlane_core.cut_ends(p_data::text) end
  );
end;
$$;

create function fairlane_core.json_fault(p_value jsonb)
returns text language plpgsql immutable security invoker set search_path = '' as $$
declare
  v_most constant integer := 1048576;
  v_length integer;
  v_text text;
begin
  -- From the cheapest check to the most expensive: the one for 100 levels goes no deeper, the one for numbers writes
  -- none of them, and what is written afterwards is no longer than the size that was sent suggests.
  if jsonb_path_exists(p_value, 'strict $.**{100} ? (@.type() == "object" || @.type() == "array")') then
    return 'it nests more than 100 levels deep';
  elsif exists (
    select
    from jsonb_array_elements(jsonb_path_query_array(p_value, 'strict $.** ? (@.type() == "number")')) as n (number)
    where (abs(n.number::numeric) >= 1e199 or scale(n.number::numeric) > 198)
      and fairlane_core.number_length(n.number::numeric) > 400
  ) then
    return 'a number in it takes more than 400 characters, written out';
  elsif pg_column_size(p_value || jsonb_build_object()) <= 2048 then
    return null; -- with numbers of 400 characters at most, that cannot be long
  end if;

  v_length := fairlane_core.written_length(p_value, v_most);
  if v_length is null and p_value is not null then
    return pg_catalog.format('written out, it has more than %s characters', v_most);
  elsif v_length <= 200000 then
    return null; -- shorter text cannot hold so many values
  end if;

  v_text := p_value::text;
  if v_length - length(translate(v_text, ',{[', '')) > 200000 then
    -- Commas and brackets outside of strings count the values.
    v_text := regexp_replace(v_text, '"(?:[^"\\]|\\.)*"', '', 'g');
    if length(v_text) - length(translate(v_text, ',{[', '')) > 200000 then
      return 'it holds more than 200000 values';
    end if;
  end if;
  return null;
end;
$$;

create function fairlane_core.fits_a_reply(p_has_bounded_params boolean, p_params jsonb)
returns boolean language plpgsql immutable security invoker set search_path = '' as $$
begin
  return p_has_bounded_params or fairlane_core.written_length(p_params, 8388608) is not null;
end;
$$;

create function fairlane_core.written_length(p_value jsonb, p_most integer)
returns integer language plpgsql immutable security invoker set search_path = '' as $$
declare
  -- Changes nothing, and decompresses the value.
  v_value jsonb := p_value || '{}'::jsonb;
  v_number numeric;
  v_numbers bigint := 0;
  v_length integer;
begin
  if pg_column_size(v_value) > 6 * p_most::bigint then -- nothing is kept in more than six times its text
    return null;
  end if;
  for v_number in
    select n.number::numeric
    -- As one array: as rows, jsonb_path_query takes quadratic time.
    from jsonb_array_elements(jsonb_path_query_array(v_value, 'strict $.** ? (@.type() == "number")')) as n (number)
    where abs(n.number::numeric) >= 1e100 or scale(n.number::numeric) > 100
  loop
    v_numbers := v_numbers + fairlane_core.number_length(v_number);
    if v_numbers > p_most then
      return null;
    end if;
  end loop;
  v_length := length(p_value::text);
  return case when v_length <= p_most then v_length end;
exception
  when statement_too_complex then
    return null; -- nested so deep that nobody could look into it
end;
$$;

create function fairlane_core.number_length(p_number numeric)
returns integer language plpgsql immutable security invoker set search_path = '' as $$
declare
  v_size numeric := abs(p_number);
  v_scale integer := scale(p_number);
begin
  return case
      when v_size < 1e400 then length(trunc(v_size)::text)
      when v_size < 1e1600 then 401
      when v_size < 1e6400 then 1601
      when v_size < 1e25600 then 6401
      when v_size < 1e102400 then 25601
      else 102401
    end + case when v_scale > 0 then v_scale + 1 else 0 end + case when p_number < 0 then 1 else 0 end;
end;
$$;

create function fairlane_core.cut_ends(p_text text)
returns text language plpgsql immutable strict security invoker set search_path = '' as $$
declare
  v_head constant integer := 65536;
  v_tail constant integer := 16384;
begin
  -- Counting bytes takes constant time, counting characters does not.
  if octet_length(p_text) <= v_head or length(p_text) <= v_head + v_tail + 100 then
    return p_text;
  end if;
  return left(p_text, v_head) || pg_catalog.format(' … [cut: %s characters in all] … ', length(p_text)) || right(p_text, v_tail);
end;
$$;

create function fairlane_core.is_uuid(p_text text)
returns boolean language plpgsql immutable strict security invoker set search_path = '' as $$
begin
  return p_text ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
end;
$$;

create function fairlane_core.resolve_caller(p_caller jsonb, p_allowed text[])
returns fairlane_core.caller language plpgsql stable security invoker set search_path = '' as $$
declare
  v_caller fairlane_core.caller;
begin
  v_caller.kind := p_caller ->> 'kind';

  if v_caller.kind = 'token' then
    select k.user_id, k.id
    into v_caller.user_id, v_caller.token_id
    from public.user_api_tokens as k
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

create function fairlane_core.acts_for_a_user()
returns boolean language plpgsql stable security invoker set search_path = '' as $$
begin
  return fairlane_core.actor() ~ '^(authenticated$|user:|token:)';
end;
$$;

create function fairlane_core.create_api_token(p_label text, p_expires_at timestamptz)
returns text language plpgsql volatile security definer set search_path = '' set lock_timeout = '200ms' as $$
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

  lock table public.user_api_tokens in row exclusive mode;
  lock table public.users in row share mode;
  -- From here on we wait only for the user's own other requests, and not for ever: a waiting call occupies a
  -- connection.
  perform fairlane_core.limit_lock_waits(2);
  -- Two requests at once: the second counts the token of the first.
  perform pg_advisory_xact_lock(hashtextextended('fairlane_core.tokens:' || v_user_id, 0));
  perform fairlane_core.register_owner(v_user_id);
  -- Wait for a deletion under way; a later one waits for us and deletes this token too.
  perform from public.users as u where u.id = v_user_id for key share;
  if fairlane_core.is_being_deleted(v_user_id) then
    perform fairlane_core.refuse(403, 'FORBIDDEN', 'This user is being deleted');
  end if;
  if (
    select count(*)
    from public.user_api_tokens as k
    where k.user_id = v_user_id
      and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > fairlane_core.now())
  ) >= 20 then
    perform fairlane_core.refuse(409, 'TOO_MANY_TOKENS', 'A user has at most 20 tokens, all of yours are in use', 'Revoke one first');
  end if;

  -- Two version 4 UUIDs hold 244 random bits.
  v_token := 'tq_' || replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');

  insert into public.user_api_tokens (user_id, label, token_hash, token_prefix, expires_at, created_at)
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

create function fairlane_core.revoke_api_token(p_token_id uuid)
returns boolean language plpgsql volatile security definer set search_path = '' set lock_timeout = '200ms' as $$
begin
  -- Its machine's work is requeued in the same transaction.
  lock table public.user_api_tokens in row exclusive mode;
  perform fairlane_core.open_tables(false);
  update public.user_api_tokens as k
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

create function fairlane_core.holder_name(p_caller fairlane_core.caller, p_worker_id text)
returns text language plpgsql immutable security invoker set search_path = '' as $$
begin
  if p_caller.kind = 'token' then
    return fairlane_core.caller_name(p_caller) || ':' || p_worker_id;
  end if;
  perform fairlane_core.refuse_name_of_a_token(p_worker_id);
  return p_worker_id;
end;
$$;

create function fairlane_core.caller_name(p_caller fairlane_core.caller)
returns text language plpgsql immutable security invoker set search_path = '' as $$
begin
  return case p_caller.kind
    when 'token' then 'token:' || p_caller.token_id
    when 'user' then 'user:' || p_caller.user_id
    else p_caller.kind
  end;
end;
$$;

create function fairlane_core.refuse_name_of_a_token(p_worker_id text)
returns void language plpgsql immutable security invoker set search_path = '' as $$
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

create function fairlane_core.sent_name(p_worker_id text)
returns text language plpgsql immutable security invoker set search_path = '' as $$
begin
  return regexp_replace(p_worker_id, '^token:[0-9a-f-]{36}:', '');
end;
$$;

create function fairlane_core.wait_for_name(p_name text, p_what text)
returns void language plpgsql volatile security invoker set search_path = '' set lock_timeout = '240ms' as $$
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

create function fairlane_core.tasks_before_update()
returns trigger language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_is_new_start boolean := new.lease_token is distinct from old.lease_token and new.lease_token is not null;
  -- No API role can write these two columns: null means that the queue wants them derived again.
  v_is_derived_again boolean := new.pool is null or (new.readiness is null and old.readiness is not null);
  v_event constant text := coalesce(current_setting('fairlane_core.event', true), '');
  v_mode constant text := coalesce(current_setting('fairlane_core.mode', true), '');
  v_is_direct constant boolean := v_event = '';
  v_reason constant text := case when v_event <> '' then v_event::json ->> 'reason' end;
  v_sent_attempts constant integer := new.attempts;
  -- What this statement says, not what an earlier one left in the columns.
  v_said text := coalesce(
    case when new.error_message is distinct from old.error_message then nullif(new.error_message, '') end,
    case
      when new.status = 'Failed' and new.output_location is distinct from old.output_location
        then nullif(new.output_location, '')
    end,
    case when new.error_details is distinct from old.error_details then nullif(new.error_details, '') end,
    v_reason,
    -- Orchestrators give each reset of a task the same reason; a trigger cannot see that it was written again.
    case when v_is_direct and old.status = 'In Progress' and new.status = 'Queued' then nullif(new.error_message, '') end
  );
  v_told text;
  v_category text;
  v_is_given_back boolean;
  v_is_forgiven boolean;
  v_noticed jsonb;
begin
  if not fairlane_core.is_legal_transition(old, new)
    or (v_is_direct and old.status = 'In Progress' and new.status = 'Queued' and fairlane_core.is_overtaken_reset(old, new)) then
    return null;
  end if;
  -- A worker that got no reply reports the end of its earlier attempt again, but another worker holds the task now.
  -- When the queue itself takes a task back it writes the words of that earlier attempt, and means the current one.
  if v_is_direct and old.status = 'In Progress' and new.status = 'Queued' and new.attempts < old.attempts
    and strpos(v_mode, 'forgives_starts') = 0
    and fairlane_core.is_told_again(old, new.attempts, new.error_details) then
    return null;
  end if;

  -- An attempt ends without a result after a failure was reported and held back: that failure says more than the
  -- silence after it.
  if old.status = 'In Progress' and new.status = 'Queued' and v_reason is null then
    v_told := fairlane_core.told_reason(old);
    if strpos(coalesce(v_said, ''), v_told) = 0 then
      v_said := concat_ws('; ', v_said, 'it was reported as failed: ' || v_told);
      new.error_message := v_said;
    end if;
  end if;

  perform fairlane_core.refuse_impossible_values(new, old);
  if new.token_id is null and new.worker_id is distinct from old.worker_id then
    perform fairlane_core.refuse_name_of_a_token(new.worker_id);
  end if;

  -- What a worker says is kept up to the bounds. Compare first: most updates say nothing new.
  if new.result_data is distinct from old.result_data then
    new.result_data := fairlane_core.bounded_data(new.result_data);
  end if;
  if new.output_location is distinct from old.output_location and new.status <> 'Failed' then
    new.output_location := fairlane_core.cut_ends(new.output_location);
  end if;
  if new.thumbnail_url is distinct from old.thumbnail_url then
    new.thumbnail_url := fairlane_core.cut_ends(new.thumbnail_url);
  end if;
  if new.error_details is distinct from old.error_details then
    new.error_details := fairlane_core.cut_ends(new.error_details);
  end if;
  if new.error_message is distinct from old.error_message and new.status <> 'Failed' then
    new.error_message := fairlane_core.cut_ends(new.error_message);
  end if;

  -- Only a claim or a requeue changes the number of attempts; a client that writes back what it read does not. Only the
  -- queue itself uncounts an attempt: one that never reached its worker, or that its holder releases.
  v_is_given_back := old.status = 'In Progress' and new.status = 'Queued' and new.attempts < old.attempts
    and strpos(v_mode, 'forgives_starts') > 0;
  -- Not for ever: from the second time on the task waits, longer each time, and finally its attempts count. Releases
  -- are counted per task, whatever happens in between: an attempt that counts does not restore them.
  v_is_forgiven := false;
  if v_is_given_back then
    v_is_forgiven := old.uncounted_releases < (select s.max_uncounted_releases from fairlane_core.settings as s);
    new.uncounted_releases := old.uncounted_releases + 1;
    if old.uncounted_releases > 0 then
      new.available_at := greatest(new.available_at, fairlane_core.now() + fairlane_core.retry_wait(old.uncounted_releases));
    end if;
  elsif new.requeue_count > old.requeue_count then
    new.uncounted_releases := 0;
    new.claim_repeats := 0;
  end if;
  if not v_is_new_start and new.requeue_count = old.requeue_count and not v_is_forgiven then
    new.attempts := old.attempts;
  end if;

  if old.status = 'In Progress' and new.status = 'Queued' and not v_is_forgiven then
    -- Rows that were started before attempts were counted.
    new.attempts := greatest(new.attempts, 1);
    if new.attempts >= fairlane_core.starts_allowed(new) then
      new.status := 'Failed';
      v_said := pg_catalog.format(
        'Given up after %s attempts; the last one ended with: %s', new.attempts, coalesce(v_said, 'no reason given')
      );
      new.worker_id := old.worker_id;
    end if;
  end if;

  if new.status in ('Complete', 'Failed', 'Cancelled') and old.status = new.status then
    -- A finished task keeps its result and its history; only a file may still be described, once
    -- (fairlane_core.complete_task). No API role may write file_location, which proves the caller.
    if not (new.status = 'Complete' and old.file_location is null and coalesce(new.file_location = old.output_location, false)) then
      new.output_location := old.output_location;
      new.file_location := old.file_location;
    end if;
    new.thumbnail_url := old.thumbnail_url;
    new.error_message := coalesce(
      old.error_message, new.error_message,
      -- An old failure may lack its reason; a new version of the row may not.
      case when old.status = 'Failed' then 'Failed without a reason' end
    );
    new.generation_started_at := old.generation_started_at;
    -- A machine is paid until it lets go (fairlane_core.let_go).
    if strpos(v_mode, 'bills') = 0 then
      new.generation_processed_at := old.generation_processed_at;
    end if;
    new.worker_id := old.worker_id;
  elsif new.status = 'Failed' then
    new.error_message := fairlane_core.cut_text(coalesce(v_said, 'Failed without a reason'));
    if v_is_direct and new.error_message <> v_said then
      -- The history keeps more of the text. A direct change gives all its rows the same text.
      v_noticed := jsonb_build_object('error_message', fairlane_core.cut_ends(v_said));
    end if;
    new.output_location := case
      when new.output_location is distinct from old.output_location
        then coalesce(fairlane_core.cut_text(nullif(new.output_location, '')), new.error_message)
      else new.error_message
    end;
  elsif new.status = 'Complete' then
    new.generation_processed_at := fairlane_core.now();
    if v_is_direct and new.output_location is not distinct from old.output_location then
      new.output_location := null; -- a progress text is no result
    end if;
    if new.output_location is distinct from old.output_location and new.file_location is null then
      new.file_location := fairlane_core.described_file(fairlane_core.json_object_of(new.output_location), new.user_id, new.id);
    end if;
    -- The worker that made the result had lost the task meanwhile; the result is still its own.
    if old.status = 'Queued' and new.worker_id is null then
      new := fairlane_core.with_its_last_start(new);
    end if;
    new.generation_created := fairlane_core.creates_generation(new.task_type, new.params);
    -- Nobody works on the task any more, and nobody will requeue it.
    new.params := fairlane_core.without_secrets(new.params);
  elsif new.status = 'Queued' then
    new.lease_token := null;
    new.claim_id := null;
    new.token_id := null;
    new.worker_id := null;
    new.delivered_at := null;
    new.reported_at := null;
    new.seen_at := null;
    new.is_beaten_for := false;
    -- Proof of an attempt, also on rows that were started before the column existed.
    if old.status = 'In Progress' then
      -- The progress of the last attempt says nothing about the next one.
      if new.output_location is not distinct from old.output_location then
        new.output_location := null;
      end if;
      if v_is_direct and new.error_message is not distinct from old.error_message
        and new.error_details is distinct from old.error_details then
        new.error_message := coalesce(new.error_details, new.error_message); -- the reason, whichever field it came in
      end if;
      new.claimed_at := coalesce(old.claimed_at, old.generation_started_at, old.updated_at, old.created_at);
    end if;
    new.generation_started_at := null;
    new.generation_processed_at := null;
    new.file_location := null;
  end if;

  if new.task_type is distinct from old.task_type or new.pool is null or (new.status = 'Queued' and old.status <> 'Queued') then
    select y.run_type, y.category, y.runs_on_own_gpu
    into new.pool, v_category, new.runs_on_own_gpu
    from public.task_types as y
    where y.name = new.task_type;
    new.pool := coalesce(new.pool, 'gpu');
    new.runs_on_own_gpu := coalesce(new.runs_on_own_gpu and new.pool <> 'gpu', false);
    new.takes_slot := fairlane_core.takes_slot(new.task_type, v_category);
    -- A running attempt keeps pool and kind; otherwise its holder would be judged by the rules of another pool and be
    -- given other work as well. A task may turn out to be orchestration meanwhile, but not the reverse.
    if new.status = 'In Progress' then
      new.runs_on_own_gpu := case when old.pool is null then new.runs_on_own_gpu else old.runs_on_own_gpu end;
      new.pool := coalesce(old.pool, new.pool);
      new.takes_slot := coalesce(old.takes_slot, true) and new.takes_slot;
    end if;
  end if;
  if new.project_id is distinct from old.project_id and new.project_id is not null then
    new.user_id := coalesce((select p.user_id from public.projects as p where p.id = new.project_id), new.user_id);
  end if;
  if new.params is distinct from old.params then
    new.params := fairlane_core.params_object(new.params);
    perform fairlane_core.refuse_large_json(new.params, 'params');
    new.has_bounded_params := true;
  end if;
  if v_is_derived_again or new.params is distinct from old.params then
    new.model := fairlane_core.task_model(new.params);
  end if;
  -- What it is part of, or waits for: fairlane_core.tasks_after_update applies the consequences.
  if new.dependant_on is distinct from old.dependant_on or (
    (new.params is distinct from old.params or new.task_type <> old.task_type or new.user_id is distinct from old.user_id)
    and fairlane_core.subtask_of(new.id, new.user_id, new.task_type, new.params)
      is distinct from fairlane_core.subtask_of(old.id, old.user_id, old.task_type, old.params)
  ) then
    v_noticed := coalesce(v_noticed, '{}') || jsonb_build_object('regroups', true);
  end if;

  if new.status = 'In Progress' then
    new.readiness := 'active';
  else
    -- Its age counts from its release.
    if new.requeue_count > old.requeue_count then
      new.released_at := fairlane_core.now();
    elsif new.status = 'Queued' and new.dependant_on is not null then
      new.released_at := greatest(old.released_at, fairlane_core.released_at(new.id, new.dependant_on, new.user_id));
    end if;
    new.readiness := fairlane_core.task_readiness(new);
  end if;

  if new.attempts <> v_sent_attempts and v_sent_attempts <> old.attempts
    and v_is_direct and pg_trigger_depth() = 1 and fairlane_core.is_plain_write() then
    perform fairlane_core.note_unused_column('tasks', 'attempts');
  end if;
  if not v_is_derived_again then
    new.updated_at := fairlane_core.now();
  end if;
  if v_noticed is not null then
    perform set_config(
      'fairlane_core.noticed', (coalesce(nullif(current_setting('fairlane_core.noticed', true), '')::jsonb, '{}') || v_noticed)::text, true
    );
  end if;
  return new;
end;
$$;

create function fairlane_core.slots_of(
  p_user public.users, p_running integer, p_orchestrating integer, p_remembered integer
)
returns fairlane_core.user_slots language plpgsql stable security invoker set search_path = '' as $$
declare
  v_cloud jsonb := p_user.settings #> fairlane_core.switch_path('cloud');
  v_local jsonb := p_user.settings #> fairlane_core.switch_path('local');
  v_settings fairlane_core.settings;
  v_slots fairlane_core.user_slots;
begin
  select d.* into v_settings from fairlane_core.settings as d;
  v_slots.user_id := p_user.id;
  v_slots.running := p_running;
  v_slots.orchestrating := p_orchestrating;
  v_slots.remembered := p_remembered;
  v_slots.task_limit := coalesce(p_user.max_in_progress, v_settings.default_task_limit);
  v_slots.orchestration_limit := coalesce(
    p_user.max_orchestrating, v_settings.default_orchestration_limit, v_slots.task_limit
  );
  -- Nothing of a deleted user starts any more while their rows are deleted piece by piece.
  if fairlane_core.is_being_deleted(p_user.id) then
    v_slots.task_limit := 0;
    v_slots.orchestration_limit := 0;
  end if;
  v_slots.has_credits := coalesce(p_user.credits, 0) > 0 or not v_settings.requires_credits;
  v_slots.cloud_on := v_cloud is distinct from 'false';
  v_slots.local_on := v_local is distinct from 'false';
  v_slots.settings_malformed := coalesce(jsonb_typeof(v_cloud) <> 'boolean', false)
    or coalesce(jsonb_typeof(v_local) <> 'boolean', false);
  -- In the order in which the reasons are reported.
  v_slots.cloud_reason := case
    when not v_slots.has_credits then 'no_credits'
    when not v_slots.cloud_on then 'cloud_disabled'
    when v_slots.running >= v_slots.task_limit then 'user_at_limit'
  end;
  v_slots.local_reason := case
    when not v_slots.local_on then 'local_disabled'
    when v_slots.running >= v_slots.task_limit then 'user_at_limit'
  end;
  return v_slots;
end;
$$;

create function fairlane_core.enforce_queue_limit()
returns trigger language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_bound integer;
  v_user_id uuid;
begin
  if not fairlane_core.acts_for_a_user() then
    return null;
  end if;

  select s.max_queued_per_user into v_bound from fairlane_core.settings as s;
  if v_bound is null then
    return null;
  end if;

  -- One after the other: a single query would take the count and look up the orchestrator for each new row.
  for v_user_id in select distinct n.user_id from new_rows as n loop
    if fairlane_core.queued_count(v_user_id) > v_bound and exists (
      select
      from new_rows as n
      where n.user_id = v_user_id
        and not fairlane_core.has_started_orchestrator(n)
    ) then
      perform fairlane_core.refuse(
        429, 'QUEUE_FULL',
        pg_catalog.format('A user may have at most %s queued tasks, and this would exceed it', v_bound),
        'Wait until some have run, or cancel some'
      );
    end if;
  end loop;
  return null;
end;
$$;

create function fairlane_core.queued_count(p_user_id uuid)
returns bigint language plpgsql stable security invoker set search_path = '' as $$
begin
  return coalesce(
    (
      select sum(l.ready_cloud + l.ready_cloud_orchestration + l.ready_local + l.ready_local_orchestration)
      from fairlane_core.user_queues as l
      where l.user_id = p_user_id
    ), 0
  ) + coalesce(
    (
      select sum(b.task_count)
      from fairlane_core.blocked_tasks as b
      where b.user_id = p_user_id
    ), 0
  );
end;
$$;

create function fairlane_core.has_started_orchestrator(p_task public.tasks)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
begin
  -- By key: with the owner in the same condition, a plan may scan all that the owner has, for each new row.
  return exists (
    select
    from unnest(fairlane_core.named_parents(p_task.params)) as p (id)
    where (
      select t.user_id = p_task.user_id
        and not t.takes_slot
        and (t.status = 'In Progress' or (t.status = 'Queued' and t.claimed_at is not null))
      from public.tasks as t
      where t.id = p.id
    )
  );
end;
$$;

create function fairlane_core.enforce_project_limit()
returns trigger language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_most constant integer := 1000;
  v_user_id uuid;
begin
  if not fairlane_core.acts_for_a_user() then
    return null;
  end if;

  for v_user_id in select distinct n.user_id from new_rows as n order by n.user_id loop
    -- Two requests at once: the second counts what the first has added.
    perform pg_advisory_xact_lock(hashtextextended('fairlane_core.projects:' || v_user_id, 0));
    -- Wait for a deletion under way; a later one deletes the project too.
    perform from public.users as u where u.id = v_user_id for key share;
    if fairlane_core.is_being_deleted(v_user_id) then
      perform fairlane_core.refuse(403, 'FORBIDDEN', 'This user is being deleted');
    end if;
    if (
      select count(*)
      from (select from public.projects as p where p.user_id = v_user_id limit v_most + 1) as k
    ) > v_most then
      perform fairlane_core.refuse(
        409, 'TOO_MANY_PROJECTS', pg_catalog.format('A user may have at most %s projects, and this would exceed it', v_most),
        'Delete some first'
      );
    end if;
  end loop;
  return null;
end;
$$;

create function fairlane_core.projects_before_write()
returns trigger language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The name of a project must have at most 255 characters');
  return null;
end;
$$;

create function fairlane_core.tasks_before_insert()
returns trigger language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_owner uuid;
  v_deleted_at timestamptz;
  v_category text;
begin
  if new.status <> 'Queued' then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('A new task must be Queued, not %s', new.status),
      'Insert it Queued; claim, complete or fail it through the functions'
    );
  end if;

  perform fairlane_core.refuse_impossible_values(new);

  if new.project_id is not null then
    -- Locked, as the foreign key will do anyway: the project keeps its owner until the task exists.
    select p.user_id, p.deleted_at into v_owner, v_deleted_at from public.projects as p where p.id = new.project_id for key share;
    if v_deleted_at is not null then
      perform fairlane_core.refuse(404, 'PROJECT_NOT_FOUND', pg_catalog.format('Project %s was deleted', new.project_id));
    end if;
    -- An unknown project is left to the foreign key.
    new.user_id := coalesce(v_owner, new.user_id);
  else
    if new.user_id is null and (select s.registers_owners from fairlane_core.settings as s) then
      new.user_id := auth.uid();
      if new.user_id is null then
        perform fairlane_core.refuse(400, 'OWNER_UNKNOWN', 'Neither a project nor user_id says whose task it is', 'Send user_id, or project_id');
      end if;
    end if;
    perform fairlane_core.register_owner(new.user_id);
  end if;

  new.run_type := coalesce(new.run_type, 'cloud');
  new.params := fairlane_core.params_object(new.params);
  perform fairlane_core.refuse_large_json(new.params, 'params');
  new.has_bounded_params := true;
  if new.result_data is not null then
    new.result_data := fairlane_core.bounded_data(new.result_data);
  end if;
  new.output_location := fairlane_core.cut_ends(new.output_location);
  new.error_message := fairlane_core.cut_ends(new.error_message);
  new.error_details := fairlane_core.cut_ends(new.error_details);
  -- A default timestamp becomes the queue's own time. A given one stays, unless a user gave it: older tasks are served
  -- first.
  if new.created_at is null or new.created_at = pg_catalog.now() or fairlane_core.actor() ~ '^(authenticated$|user:)' then
    new.created_at := fairlane_core.now();
  end if;
  new.updated_at := coalesce(new.updated_at, new.created_at);

  select y.run_type, y.category, y.runs_on_own_gpu
  into new.pool, v_category, new.runs_on_own_gpu
  from public.task_types as y
  where y.name = new.task_type;
  new.pool := coalesce(new.pool, 'gpu');
  new.runs_on_own_gpu := coalesce(new.runs_on_own_gpu and new.pool <> 'gpu', false);
  new.takes_slot := fairlane_core.takes_slot(new.task_type, v_category);

  if new.dependant_on = new.id then
    perform fairlane_core.refuse(400, 'DEPENDENCY_CYCLE', 'A task cannot depend on itself');
  elsif new.dependant_on is not null then
    new.released_at := fairlane_core.released_at(new.id, new.dependant_on, new.user_id);
  end if;
  new.model := fairlane_core.task_model(new.params);
  new.readiness := fairlane_core.task_readiness(new);
  return new;
end;
$$;

create function fairlane_core.params_object(p_params jsonb)
returns jsonb language plpgsql immutable security invoker set search_path = '' as $$
declare
  v_params jsonb := coalesce(p_params, '{}');
begin
  if jsonb_typeof(v_params) = 'string' then
    begin
      v_params := (v_params #>> '{}')::jsonb;
    exception when invalid_text_representation then
      null; -- refused below, like every other value that is no object
    end;
  end if;

  if jsonb_typeof(v_params) <> 'object' then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('The params must be a JSON object, not %s', jsonb_typeof(v_params))
    );
  end if;
  return v_params;
end;
$$;

create function fairlane_core.parent_task_id(p_params jsonb)
returns uuid language plpgsql immutable security invoker set search_path = '' as $$
begin
  return case
    when p_params ->> fairlane_core.parent_key() ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
      then (p_params ->> fairlane_core.parent_key())::uuid
  end;
end;
$$;

create function fairlane_core.without_secrets(p_params jsonb)
returns jsonb language plpgsql immutable security invoker set search_path = '' as $$
begin
  if not jsonb_path_exists(p_params, '$.**.user_jwt') then
    return p_params; -- most params have none
  elsif jsonb_typeof(p_params) = 'array' then
    return (
      select jsonb_agg(fairlane_core.without_secrets(e.value) order by e.place)
      from jsonb_array_elements(p_params) with ordinality as e (value, place)
    );
  end if;
  return (
    select jsonb_object_agg(e.key, case e.key when 'user_jwt' then '"[redacted]"' else fairlane_core.without_secrets(e.value) end)
    from jsonb_each(p_params) as e
  );
end;
$$;

create function fairlane_core.parent_key()
returns text language plpgsql immutable security invoker set search_path = '' as $$
begin
  return 'parent_task_id';
end;
$$;

create function fairlane_core.named_parents(p_params jsonb)
returns uuid[] language plpgsql immutable security invoker set search_path = '' as $$
begin
  return nullif(array_remove(array[fairlane_core.parent_task_id(p_params)], null), '{}');
end;
$$;

create function fairlane_core.place_key()
returns text language plpgsql immutable security invoker set search_path = '' as $$
begin
  return 'part_index';
end;
$$;

create function fairlane_core.part_of(p_task_type text, p_params jsonb, out final_rank smallint, out part_index integer)
returns record language plpgsql immutable security invoker set search_path = '' as $$
begin
  part_index := substring(p_params ->> 'part_index' from '^[0-9]{1,9}$')::integer;
  final_rank := case when p_params ->> 'is_final' = 'true' then 3 when part_index is not null then 1 else 0 end;
  if final_rank = 3 then
    part_index := 0;
  end if;
end;
$$;

create function fairlane_core.has_expected_children(p_family fairlane_core.orchestrations, p_params jsonb, p_is_quiet boolean)
returns boolean language plpgsql immutable security invoker set search_path = '' as $$
begin
  return coalesce(
    p_family.open_count + p_family.complete_count + p_family.failed_count + p_family.cancelled_count
      >= substring(p_params ->> 'expected_children' from '^[0-9]{1,9}$')::integer,
    false
  );
end;
$$;

create function fairlane_core.has_nothing_to_enqueue(p_report text)
returns boolean language plpgsql immutable security invoker set search_path = '' as $$
begin
  return coalesce(p_report ~ '^Nothing to enqueue', false);
end;
$$;

create function fairlane_core.has_enqueued(p_report text)
returns boolean language plpgsql immutable security invoker set search_path = '' as $$
begin
  return coalesce(p_report ~ '^Enqueued ', false);
end;
$$;

create function fairlane_core.task_model(p_params jsonb)
returns text language plpgsql immutable security invoker set search_path = '' as $$
begin
  return left(p_params ->> 'model', 200);
end;
$$;

create function fairlane_core.takes_slot(p_task_type text, p_category text)
returns boolean language plpgsql immutable security invoker set search_path = '' as $$
begin
  return p_category is distinct from 'orchestration';
end;
$$;

create function fairlane_core.pools()
returns text[] language sql immutable security invoker set search_path = '' as $$
  select array['gpu', 'api'];
$$;

create function fairlane_core.switch_path(p_run_type text)
returns text[] language plpgsql immutable security invoker set search_path = '' as $$
begin
  return array[p_run_type];
end;
$$;

create function fairlane_core.is_rented(p_worker public.workers)
returns boolean language plpgsql immutable security invoker set search_path = '' as $$
begin
  return coalesce(p_worker.metadata ? 'machine_id', false);
end;
$$;

create function fairlane_core.task_readiness(p_task public.tasks)
returns text language plpgsql stable security invoker set search_path = '' as $$
declare
  v_is_active boolean;
begin
  if p_task.status = 'In Progress' then
    return 'active';
  elsif p_task.status <> 'Queued' then
    return null;
  elsif p_task.user_id is null then
    return 'no_owner';
  elsif p_task.run_type is null then
    return 'no_run_type';
  end if;

  select y.is_active into v_is_active
  from public.task_types as y
  where y.name = p_task.task_type;

  if not v_is_active then
    return 'type_inactive';
  elsif p_task.available_at > fairlane_core.now() then
    return 'not_yet';
  end if;

  return coalesce(
    case when p_task.dependant_on is not null
      then fairlane_core.dependency_state(p_task.id, p_task.dependant_on, p_task.user_id)
    end,
    case when fairlane_core.is_stale(greatest(p_task.created_at, p_task.available_at, p_task.released_at), p_task.attempts > 0 or p_task.claimed_at is not null, p_task.params) then 'stale' end,
    'ready'
  );
end;
$$;

create function fairlane_core.dependency_state(p_task_id uuid, p_dependant_on uuid, p_user_id uuid)
returns text language plpgsql stable security invoker set search_path = '' as $$
declare
  v_wanted uuid[];
  v_found integer := 0;
  v_complete integer := 0;
  v_lost integer := 0;
begin
  select array_agg(w.id)
  into v_wanted
  from (
    select d.depends_on as id from fairlane_core.task_dependencies as d where d.task_id = p_task_id
    union
    select p_dependant_on where p_dependant_on is not null
  ) as w;

  if v_wanted is null then
    return null;
  end if;

  select
    count(*),
    count(*) filter (where t.status = 'Complete'),
    count(*) filter (where t.status in ('Failed', 'Cancelled'))
  into v_found, v_complete, v_lost
  from public.tasks as t
  where t.id = any (v_wanted)
    and t.user_id is not distinct from p_user_id;

  return case
    when v_complete + v_lost < v_found then 'dependency_pending'
    when v_complete < cardinality(v_wanted) then 'dependency_lost'
  end;
end;
$$;

create function fairlane_core.is_stale(p_since timestamptz, p_was_started boolean, p_params jsonb)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
declare
  v_parent_id uuid;
begin
  if p_was_started or p_since >= fairlane_core.stale_before() then
    return false;
  end if;

  v_parent_id := fairlane_core.parent_task_id(p_params);

  return v_parent_id is null or not exists (
    select from public.tasks as t
    where t.id = v_parent_id
      and t.status in ('Queued', 'In Progress')
  );
end;
$$;

create function fairlane_core.stale_before()
returns timestamptz language plpgsql stable security invoker set search_path = '' as $$
declare
  v_watch fairlane_core.clock_watch;
  v_before timestamptz := fairlane_core.now() - (select s.stale_after from fairlane_core.settings as s);
begin
  select w.* into v_watch from fairlane_core.clock_watch as w;
  if clock_timestamp() > v_watch.looked_at + v_watch.away_after then
    v_before := v_before - (clock_timestamp() - v_watch.looked_at);
  end if;
  if v_watch.away_until >= v_before then
    v_before := v_before - v_watch.away_for;
  end if;
  return v_before;
end;
$$;

create function fairlane_core.released_at(p_task_id uuid, p_dependant_on uuid, p_user_id uuid)
returns timestamptz language plpgsql stable security invoker set search_path = '' as $$
begin
  return (
    select max(t.generation_processed_at)
    from public.tasks as t
    where t.id = any (array(select d.depends_on from fairlane_core.task_dependencies as d where d.task_id = p_task_id) || p_dependant_on)
      and t.user_id is not distinct from p_user_id
      and t.status = 'Complete'
  );
end;
$$;

create function fairlane_core.is_behind_its_type(
  p_task_type text, p_pool text, p_takes_slot boolean, p_runs_on_own_gpu boolean, p_readiness text
)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
declare
  v_type public.task_types;
begin
  select y.* into v_type from public.task_types as y where y.name = p_task_type;
  if p_readiness = 'active' then
    return p_takes_slot and not fairlane_core.takes_slot(p_task_type, v_type.category);
  end if;
  return p_pool is distinct from coalesce(v_type.run_type, 'gpu')
    or p_takes_slot is distinct from fairlane_core.takes_slot(p_task_type, v_type.category)
    or p_runs_on_own_gpu is distinct from coalesce(v_type.runs_on_own_gpu and v_type.run_type <> 'gpu', false)
    or (v_type.is_active is false) <> (p_readiness = 'type_inactive');
end;
$$;

create function fairlane_core.refuse_unknown_pool(p_pool text)
returns void language plpgsql stable security invoker set search_path = '' as $$
begin
  if p_pool <> all (fairlane_core.pools()) then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('The run_type must be one of %s, not %s', array_to_string(fairlane_core.pools(), ', '), p_pool)
    );
  end if;
end;
$$;

create function fairlane_core.is_served_by(
  p_caller fairlane_core.caller, p_pool text, p_task_pool text, p_runs_on_own_gpu boolean, p_run_type text
)
returns boolean language plpgsql immutable security invoker set search_path = '' as $$
begin
  return coalesce(
    p_task_pool = p_pool or (
      p_pool = 'gpu' and p_runs_on_own_gpu
        and (p_caller.kind = 'token' or (p_caller.kind = 'user' and p_run_type = 'local'))
    ), false
  );
end;
$$;

create function fairlane_core.set_event_context(p_actor text, p_reason text default null, p_details jsonb default null)
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  perform set_config(
    'fairlane_core.event',
    case
      when p_actor is null then ''
      else json_build_object('actor', p_actor, 'reason', nullif(p_reason, ''), 'details', p_details)::text
    end,
    true
  );
end;
$$;

create function fairlane_core.actor()
returns text language plpgsql stable security invoker set search_path = '' as $$
declare
  v_event constant text := current_setting('fairlane_core.event', true);
  v_claims jsonb;
begin
  if v_event <> '' then
    return v_event::json ->> 'actor';
  end if;
  v_claims := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
  return coalesce(
    case when v_claims ->> 'role' = 'authenticated' then 'user:' || (v_claims ->> 'sub') end,
    v_claims ->> 'role',
    session_user::text
  );
end;
$$;

create function fairlane_core.is_legal_transition(p_old public.tasks, p_new public.tasks)
returns boolean language plpgsql immutable security invoker set search_path = '' as $$
begin
  return case
    when p_new.status = 'Queued' and p_old.status = 'Queued' then true
    when p_new.status = 'Queued' and p_old.status = 'In Progress' then true
    when p_new.status = 'Queued' then p_new.requeue_count > p_old.requeue_count
    when p_new.status = p_old.status then true
    when p_old.status = 'Queued' and p_new.status = 'In Progress'
      then p_new.lease_token is distinct from p_old.lease_token and p_new.lease_token is not null
    -- A result that arrives after the task was rescued; a task that was never started has none.
    when p_old.status = 'Queued' and p_new.status = 'Complete' then p_old.claimed_at is not null
    when p_old.status in ('Queued', 'In Progress') then p_new.status in ('Complete', 'Failed', 'Cancelled')
    else false
  end;
end;
$$;

create function fairlane_core.is_overtaken_reset(p_old public.tasks, p_new public.tasks)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
begin
  return p_old.status = 'In Progress'
    and p_new.status = 'Queued'
    and p_new.error_message like 'Reset - %'
    and p_old.attempts + p_old.uncounted_releases > 1
    and p_old.token_id is null
    and p_old.claimed_at > fairlane_core.now() - interval '1 minute'
    and (
      p_old.pool <> 'gpu'
      or exists (
        select
        from public.workers as w
        where w.id = p_old.worker_id
          and not fairlane_core.has_ended(w.status)
          and fairlane_core.is_beating(w.last_heartbeat)
      )
    );
end;
$$;

create function fairlane_core.reason_of_change(
  p_from text, p_to text, p_is_another_start boolean, p_old_message text, p_message text, p_old_details text, p_details text, p_is_direct boolean
)
returns text language plpgsql immutable security invoker set search_path = '' as $$
begin
  return case
    when p_to = 'In Progress' and p_is_another_start then 'started again by its holder'
    when p_to = 'In Progress' then 'handed out again, the reply was lost'
    when p_to not in ('Failed', 'Queued', 'Cancelled') then null
    when p_message is distinct from p_old_message then p_message
    when p_details is distinct from p_old_details then p_details
    when p_to = 'Failed' then p_message
    -- The same text written again, which a trigger cannot distinguish from no text.
    when p_from = 'In Progress' and p_is_direct then p_message
  end;
end;
$$;

create function fairlane_core.has_ended(p_status text)
returns boolean language plpgsql immutable security invoker set search_path = '' as $$
begin
  return p_status in ('terminated', 'error', 'crashed');
end;
$$;

create function fairlane_core.tasks_after_insert()
returns trigger language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_changes fairlane_core.counter_delta[];
  v_now timestamptz := fairlane_core.now();
  v_actor text := fairlane_core.actor();
  v_unsettled uuid[];
  v_awaited uuid[];
  v_dependants uuid[];
  v_children fairlane_core.subtasks[];
  v_orchestrators uuid[];
  v_has_children boolean;
  v_has_unsettled boolean;
begin
  -- One query decides what else to check: most tasks wait for nothing and are part of nothing.
  select
    array_agg(n.id) filter (where n.dependant_on is not null),
    -- An orchestrator may arrive after its children.
    array_agg(n.id) filter (where not n.takes_slot or n.task_type like '%orchestrat%'),
    bool_or(n.params ? fairlane_core.parent_key()),
    bool_or(n.readiness in ('dependency_lost', 'dependency_pending'))
  into v_dependants, v_orchestrators, v_has_children, v_has_unsettled
  from new_rows as n;

  if v_dependants is not null then
    insert into fairlane_core.task_dependencies (task_id, depends_on)
    select n.id, n.dependant_on
    from new_rows as n
    where n.dependant_on is not null
    on conflict do nothing;
  end if;
  if v_has_children then
    select array_agg(c.child)
    into v_children
    from (
      select fairlane_core.subtask_of(n.id, n.user_id, n.task_type, n.params) as child
      from new_rows as n
      where n.params ? fairlane_core.parent_key()
    ) as c
    where (c.child).task_id is not null;
  end if;

  select array_agg((g.user_id, g.pool, g.is_cloud, g.takes_slot, g.readiness, g.delta)::fairlane_core.counter_delta)
  into v_changes
  from (
    select n.user_id, n.pool, n.run_type is distinct from 'local' as is_cloud, n.takes_slot, n.readiness, count(*)::integer as delta
    from new_rows as n
    where n.readiness is not null
    group by 1, 2, 3, 4, 5
  ) as g;

  -- All locks that an insert waits for. PostgREST has no status of its own for a lock timeout.
  begin
    -- Other tasks are locked before any owner, as everywhere.
    if v_children is not null then
      perform fairlane_core.lock_families(v_children);
    end if;
    if v_changes is not null then
      perform fairlane_core.apply_counter_deltas(v_changes, v_now);
    end if;
  exception when lock_not_available then
    perform fairlane_core.refuse_while_locked();
  end;

  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason)
  select n.id, n.user_id, v_now, null, n.status, n.worker_id, n.attempts, v_actor, 'created'
  from new_rows as n;

  if v_dependants is not null then
    perform fairlane_core.refuse_cycles(v_dependants);
  end if;

  -- A dependency may have appeared, ended or gone between the first check and the owner's lock, which is held from here
  -- on; and a task that others already wait for may only now exist.
  -- Each by key: as joins, a plan from when the queue was small scans the new rows for each waiting task.
  if v_has_unsettled then
    select array_agg(n.id)
    into v_unsettled
    from new_rows as n
    where n.readiness in ('dependency_lost', 'dependency_pending')
      and exists (
        select
        from fairlane_core.task_dependencies as d
        where d.task_id = n.id
          and case n.readiness
            -- A missing or foreign dependency has not changed.
            when 'dependency_lost' then (select t.user_id is not distinct from n.user_id from public.tasks as t where t.id = d.depends_on)
            else coalesce((select t.status in ('Complete', 'Failed', 'Cancelled') from public.tasks as t where t.id = d.depends_on), true)
          end
      );
  end if;
  if v_unsettled is not null then
    perform fairlane_core.recompute_readiness(v_unsettled);
  end if;

  select array_agg(n.id)
  into v_awaited
  from new_rows as n
  where exists (
    select
    from fairlane_core.task_dependencies as d
    where d.depends_on = n.id
      and (
        select t.readiness = 'dependency_lost' and t.user_id is not distinct from n.user_id
        from public.tasks as t
        where t.id = d.task_id
      )
  );
  if v_awaited is not null then
    perform fairlane_core.unblock_dependents(v_awaited);
  end if;

  if v_children is not null or v_orchestrators is not null then
    perform fairlane_core.join_families(v_orchestrators, v_children);
  end if;

  return null;
end;
$$;

create function fairlane_core.tasks_after_delete()
returns trigger language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_changes fairlane_core.counter_delta[];
  v_held fairlane_core.held_slots[];
  v_actor text := fairlane_core.actor();
  v_now timestamptz := fairlane_core.now();
  v_ids uuid[];
  v_statuses text[];
  v_owners uuid[];
  v_lost fairlane_core.task_end[];
  v_gone uuid[];
  v_is_plain boolean := fairlane_core.is_plain_write();
begin
  select
    array_agg(o.id), array_agg(o.status), array_agg(distinct o.user_id),
    array_agg((o.id, o.user_id, 'deleted', null)::fairlane_core.task_end)
  into v_ids, v_statuses, v_owners, v_lost
  from old_rows as o;

  if v_ids is null then
    return null;
  end if;
  -- Also the children that a deleted one had replaced.
  v_gone := v_ids || array(select s.task_id from fairlane_core.subtasks as s where s.replaced_by = any (v_ids));
  perform fairlane_core.lock_for_update(null, null, null, null, null, v_gone, v_owners, v_is_plain);
  if v_is_plain then
    perform fairlane_core.lock_owners(v_owners);
  end if;

  select array_agg((g.user_id, g.pool, g.is_cloud, g.takes_slot, g.readiness, g.delta)::fairlane_core.counter_delta)
  into v_changes
  from (
    select
      o.user_id, o.pool,
      case when o.status = 'In Progress' then o.token_id is null else o.run_type is distinct from 'local' end as is_cloud,
      o.takes_slot,
      case when o.readiness = 'active' and not o.takes_slot and fairlane_core.is_handed_over(o.id, o.lease_token) then 'enqueued' else o.readiness end as readiness,
      -count(*)::integer as delta
    from old_rows as o
    where o.readiness is not null
    group by 1, 2, 3, 4, 5
  ) as g;

  -- Whoever ran a deleted task may still be working on it.
  if exists (select from unnest(v_changes) as c where c.readiness = 'active') then
    v_held := array(
      select h.held
      from (
        select fairlane_core.held_after(
          o.id, o.user_id, o.pool, o.takes_slot, o.worker_id, o.token_id, o.lease_token, o.attempts, o.generation_started_at, v_now
        ) as held
        from old_rows as o
        where o.readiness = 'active'
      ) as h
      where (h.held).task_id is not null
    );
    v_changes := v_changes || array(
      select (h.user_id, h.pool, h.token_id is null, h.takes_slot, 'held', 1)::fairlane_core.counter_delta from unnest(v_held) as h
    );
  end if;

  if v_changes is not null then
    perform fairlane_core.apply_counter_deltas(v_changes, v_now);
  end if;
  if cardinality(v_held) > 0 then
    perform fairlane_core.hold_slots(v_held);
  end if;
  delete from fairlane_core.handovers as h
  using old_rows as o
  where h.orchestrator_id = o.id
    and not o.takes_slot;

  -- Even if nothing is counted: families change under the owner's lock.
  perform from fairlane_core.user_slots as s where s.user_id = any (v_owners) order by s.user_id for no key update;

  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason)
  select o.id, o.user_id, v_now, o.status, o.status, o.worker_id, o.attempts, v_actor, 'deleted'
  from old_rows as o;

  perform fairlane_core.leave_families(v_ids, v_statuses);
  perform fairlane_core.cascade_failure(v_lost);
  return null;
end;
$$;

create function fairlane_core.tasks_after_update()
returns trigger language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_changes fairlane_core.counter_delta[];
  v_held fairlane_core.held_slots[];
  v_complete uuid[];
  v_lost fairlane_core.task_end[];
  v_owners uuid[];
  v_moved uuid[];
  v_from text[];
  v_to text[];
  v_now timestamptz;
  v_event constant text := coalesce(current_setting('fairlane_core.event', true), '');
  v_mode constant text := coalesce(current_setting('fairlane_core.mode', true), '');
  v_is_direct constant boolean := v_event = '';
  v_noticed jsonb := nullif(current_setting('fairlane_core.noticed', true), '')::jsonb;
  v_reports jsonb;
  v_regrouped uuid[];
  v_children fairlane_core.subtasks[];
  v_rewired uuid[];
  v_waited_for uuid[];
  v_reported uuid[];
  v_reporters uuid[];
  -- Not inside another trigger, which may intend to go on without the lock.
  v_is_plain boolean := v_is_direct and pg_trigger_depth() = 1 and fairlane_core.is_plain_write();
  v_has_moved boolean;
  v_has_shifted boolean;
  v_has_left boolean;
  v_has_forgotten boolean;
  v_has_said boolean;
  v_details jsonb;
begin
  -- One query decides what else to check: a heartbeat or a progress report changes nothing derived.
  select
    array_agg(n.id) filter (where e.has_ended and n.status = 'Complete'),
    array_agg((n.id, n.user_id, n.status, n.error_message)::fairlane_core.task_end) filter (where e.has_ended and n.status in ('Failed', 'Cancelled')),
    array_agg(distinct n.user_id) filter (where e.has_ended),
    array_agg(n.id) filter (where e.has_ended),
    array_agg(o.status) filter (where e.has_ended),
    array_agg(n.status) filter (where e.has_ended),
    bool_or(n.status <> o.status or n.lease_token <> o.lease_token),
    bool_or(
      (n.user_id, n.pool, n.status, n.token_id, n.run_type, n.takes_slot, n.readiness, n.lease_token)
        is distinct from (o.user_id, o.pool, o.status, o.token_id, o.run_type, o.takes_slot, o.readiness, o.lease_token)
    ),
    bool_or(o.readiness = 'active' and n.readiness is distinct from 'active' and (v_mode = '' or strpos(v_mode, 'let_go:' || o.id) = 0)),
    bool_or(o.readiness = 'active' and n.readiness is distinct from 'active' and not o.takes_slot),
    bool_or(n.status = 'In Progress' and n.output_location is distinct from o.output_location)
  into v_complete, v_lost, v_owners, v_moved, v_from, v_to, v_has_moved, v_has_shifted, v_has_left, v_has_forgotten, v_has_said
  -- A full join, with no condition that would reduce it: the plan is made for the few rows of a first call and kept,
  -- and an inner join planned for few rows compares every pair. A full join is merged or hashed, however many rows
  -- there are.
  from new_rows as n
    full join old_rows as o on o.id = n.id
    cross join lateral (
      -- Ended, or requeued after its end.
      select n.status <> o.status and (n.status not in ('Queued', 'In Progress') or o.status not in ('Queued', 'In Progress')) as has_ended
    ) as e;
  if strpos(v_mode, 'ends_in_turn') > 0 then
    v_lost := null;
    -- For this statement only, not for those that follow from it.
    perform set_config('fairlane_core.mode', replace(v_mode, 'ends_in_turn', ''), true);
  end if;
  if v_noticed is not null then
    perform set_config('fairlane_core.noticed', '', true);
  end if;
  if v_has_shifted then
    v_now := fairlane_core.now();
  end if;

  -- A direct change of an orchestrator's text counts as a report (fairlane_core.update_task_status).
  if v_is_direct and v_has_said then
    select
      jsonb_agg(jsonb_build_object('id', n.id, 'text', n.output_location) order by n.user_id, n.id),
      array_agg(n.id), array_agg(distinct n.user_id)
    into v_reports, v_reported, v_reporters
    from new_rows as n
      full join old_rows as o on o.id = n.id -- full as above
    where coalesce(
      n.status = 'In Progress'
        and o.status = 'In Progress'
        and n.output_location <> ''
        and n.output_location is distinct from o.output_location
        and (not n.takes_slot or n.task_type like '%orchestrat%'),
      false
    );
  end if;

  -- Tasks that are now part of something else, or wait for something else (noticed by
  -- fairlane_core.tasks_before_update).
  if v_noticed ? 'regroups' then
    select
      array_agg(n.id order by n.id) filter (
        where fairlane_core.subtask_of(n.id, n.user_id, n.task_type, n.params)
          is distinct from fairlane_core.subtask_of(o.id, o.user_id, o.task_type, o.params)
      ),
      array_agg(n.id order by n.id) filter (where n.dependant_on is distinct from o.dependant_on),
      array_agg(o.dependant_on order by n.id) filter (where n.dependant_on is distinct from o.dependant_on),
      array_agg(distinct n.user_id) || array_agg(distinct o.user_id)
    into v_regrouped, v_rewired, v_waited_for, v_owners
    from new_rows as n
      full join old_rows as o on o.id = n.id -- full as above
    where coalesce(n.id = o.id, false);
    if strpos(v_mode, 'moves_project') > 0 then
      v_regrouped := null; -- fairlane_core.move_project moves whole families
    end if;
  end if;

  -- Other tasks are locked before any owner, as everywhere.
  if v_regrouped is not null then
    select array_agg(c.child)
    into v_children
    from (select fairlane_core.subtask_of(n.id, n.user_id, n.task_type, n.params) as child from new_rows as n where n.id = any (v_regrouped)) as c
    where (c.child).task_id is not null;
  end if;
  if coalesce(v_moved, v_regrouped, v_reported) is not null then
    perform fairlane_core.lock_for_update(
      v_regrouped, v_children, v_reported, v_reporters, v_complete, (select array_agg(l.task_id) from unnest(v_lost) as l), v_owners,
      v_is_plain
    );
  end if;

  if v_has_shifted then
    select array_agg((g.user_id, g.pool, g.is_cloud, g.takes_slot, g.readiness, g.delta)::fairlane_core.counter_delta)
    into v_changes
    from (
      select
        m.user_id, m.pool,
        case when m.status = 'In Progress' then m.token_id is null else m.run_type is distinct from 'local' end as is_cloud,
        m.takes_slot,
        case when m.readiness = 'active' and not m.takes_slot and fairlane_core.is_handed_over(m.id, m.lease_token) then 'enqueued' else m.readiness end as readiness,
        sum(m.delta)::integer as delta
      from (
        select o.id, o.user_id, o.pool, o.status, o.token_id, o.run_type, o.takes_slot, o.readiness, o.lease_token, -1 as delta from old_rows as o
        union all
        select n.id, n.user_id, n.pool, n.status, n.token_id, n.run_type, n.takes_slot, n.readiness, n.lease_token, 1 from new_rows as n
      ) as m
      where m.readiness is not null
      group by 1, 2, 3, 4, 5
      having sum(m.delta) <> 0
    ) as g;
  end if;

  -- The holder of an attempt that somebody else ended may still be working on it: its slot is not free yet.
  if v_has_left then
    v_held := array(
      select h.held
      from (
        select fairlane_core.held_after(
          o.id, o.user_id, o.pool, o.takes_slot, o.worker_id, o.token_id, o.lease_token, o.attempts, o.generation_started_at, v_now
        ) as held
        from old_rows as o
          full join new_rows as n on n.id = o.id -- full as above
        -- A direct requeue says that nobody runs the task any more.
        where coalesce(o.readiness = 'active' and n.readiness is distinct from 'active' and not (n.status = 'Queued' and v_is_direct), false)
      ) as h
      where (h.held).task_id is not null
    );
    if v_held <> '{}' then
      v_changes := v_changes || array(
        select (h.user_id, h.pool, h.token_id is null, h.takes_slot, 'held', 1)::fairlane_core.counter_delta from unnest(v_held) as h
      );
    end if;
  end if;

  if v_is_plain and (v_changes is not null or v_owners is not null) then
    perform fairlane_core.lock_owners(
      array(select c.user_id from unnest(v_changes) as c)
        || case when v_moved is not null or v_regrouped is not null or v_rewired is not null then v_owners end
    );
  end if;
  if v_changes is not null then
    perform fairlane_core.apply_counter_deltas(v_changes, v_now);
  end if;
  if cardinality(v_held) > 0 then
    perform fairlane_core.hold_slots(v_held);
  end if;
  if v_has_forgotten then
    delete from fairlane_core.handovers as h
    using new_rows as n
    where h.orchestrator_id = n.id
      and n.readiness is distinct from 'active';
  end if;

  -- The state, or the attempt (a second attempt by the same worker changes only the lease).
  if v_has_moved then
    -- A direct change gives all its rows the same text; the event keeps more of it than they do.
    v_details := case
      when v_event <> '' then nullif(v_event::jsonb -> 'details', 'null')
      else nullif(coalesce(v_noticed, '{}') - 'regroups', '{}')
    end;
    insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason, details)
    select
      n.id, n.user_id, v_now, o.status, n.status, coalesce(n.worker_id, o.worker_id),
      greatest(n.attempts, o.attempts), -- an uncounted attempt is still recorded under its number
      fairlane_core.actor(),
      coalesce(
        case when v_event <> '' then v_event::json ->> 'reason' end,
        case
          when n.status <> 'Complete' then fairlane_core.reason_of_change(
            o.status, n.status, n.attempts <> o.attempts, o.error_message, n.error_message, o.error_details, n.error_details, v_is_direct
          )
        end
      ),
      case
        when o.status = 'In Progress' and n.status in ('Queued', 'Failed') then
          coalesce(v_details, '{}')
            || jsonb_build_object('signs', fairlane_core.signs_of_life(o.id, o.worker_id, o.claimed_at, o.reported_at, o.delivered_at))
        else v_details
      end
    from new_rows as n
      full join old_rows as o on o.id = n.id -- full as above
    where coalesce(n.status <> o.status or n.lease_token <> o.lease_token, false);
  end if;

  if v_moved is not null then
    perform fairlane_core.settle_ends(v_moved, v_from, v_to, v_complete, v_lost);
  end if;
  if v_regrouped is not null or v_rewired is not null then
    perform fairlane_core.lock_owners(v_owners);
    if v_regrouped is not null then
      perform fairlane_core.regroup(v_regrouped);
    end if;
    if v_rewired is not null then
      perform fairlane_core.follow_dependencies(v_rewired, v_waited_for);
    end if;
  end if;
  if v_reports is not null then
    perform fairlane_core.note_enqueued(r.id, r.text) from jsonb_to_recordset(v_reports) as r (id uuid, text text);
  end if;
  return null;
end;
$$;

create function fairlane_core.apply_counter_deltas(p_changes fairlane_core.counter_delta[], p_now timestamptz)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_change record;
  v_slots fairlane_core.user_slots;
  v_running integer;
  v_turn_load integer;
  v_room integer;
  v_has_blocked boolean := false;
begin
  for v_change in
    select
      c.user_id,
      c.pool,
      coalesce(sum(c.delta) filter (where c.readiness = 'ready' and c.is_cloud and c.takes_slot), 0) as ready_cloud,
      coalesce(sum(c.delta) filter (where c.readiness = 'ready' and c.is_cloud and not c.takes_slot), 0) as ready_cloud_orchestration,
      coalesce(sum(c.delta) filter (where c.readiness = 'ready' and not c.is_cloud and c.takes_slot), 0) as ready_local,
      coalesce(sum(c.delta) filter (where c.readiness = 'ready' and not c.is_cloud and not c.takes_slot), 0) as ready_local_orchestration,
      coalesce(sum(c.delta) filter (where c.readiness = 'active' and c.is_cloud and c.takes_slot), 0) as active_cloud,
      coalesce(sum(c.delta) filter (where c.readiness in ('active', 'enqueued') and c.is_cloud and not c.takes_slot), 0) as active_cloud_orchestration,
      coalesce(sum(c.delta) filter (where c.readiness = 'active' and not c.is_cloud and c.takes_slot), 0) as active_local,
      coalesce(sum(c.delta) filter (where c.readiness in ('active', 'enqueued') and not c.is_cloud and not c.takes_slot), 0) as active_local_orchestration,
      coalesce(sum(c.delta) filter (where c.readiness in ('active', 'held') and c.takes_slot), 0) as running,
      coalesce(sum(c.delta) filter (where c.readiness in ('active', 'held') and not c.takes_slot), 0) as orchestrating,
      bool_or(c.readiness not in ('ready', 'active', 'enqueued', 'held')) as has_blocked
    from unnest(p_changes) as c
    group by c.user_id, c.pool
    order by c.user_id, c.pool
  loop
    v_has_blocked := v_has_blocked or v_change.has_blocked;
    continue when v_change.user_id is null;

    -- Takes the lock, and counts what runs.
    v_running := v_change.running;
    update fairlane_core.user_slots as s
    set running = s.running + v_running,
      orchestrating = s.orchestrating + v_change.orchestrating,
      cloud_reason = fairlane_core.with_limit(s.cloud_reason, s.running + v_running, s.task_limit),
      local_reason = fairlane_core.with_limit(s.local_reason, s.running + v_running, s.task_limit)
    where s.user_id = v_change.user_id
    returning s.* into v_slots;
    v_turn_load := v_slots.running + v_slots.orchestrating + v_slots.remembered;
    v_room := greatest(v_slots.orchestration_limit - v_slots.orchestrating, 0);

    -- The user queue that gained or lost tasks. Being served, or beginning to wait, starts a new wait for a turn.
    update fairlane_core.user_queues as l
    set ready_cloud = l.ready_cloud + v_change.ready_cloud,
      ready_cloud_orchestration = l.ready_cloud_orchestration + v_change.ready_cloud_orchestration,
      ready_local = l.ready_local + v_change.ready_local,
      ready_local_orchestration = l.ready_local_orchestration + v_change.ready_local_orchestration,
      active_cloud = l.active_cloud + v_change.active_cloud,
      active_cloud_orchestration = l.active_cloud_orchestration + v_change.active_cloud_orchestration,
      active_local = l.active_local + v_change.active_local,
      active_local_orchestration = l.active_local_orchestration + v_change.active_local_orchestration,
      running = v_slots.running,
      turn_load = v_turn_load,
      orchestration_room = v_room,
      is_open = v_slots.cloud_reason is null
        and (
          l.ready_cloud + v_change.ready_cloud > 0
          or (v_room > 0 and l.ready_cloud_orchestration + v_change.ready_cloud_orchestration > 0)
        ),
      last_served_at = case
        when v_change.active_cloud > 0 or v_change.active_cloud_orchestration > 0
          or l.ready_cloud + l.ready_cloud_orchestration = 0 then p_now
        else l.last_served_at
      end
    where l.user_id = v_change.user_id
      and l.pool = v_change.pool;

    if not found and v_slots.user_id is not null then
      insert into fairlane_core.user_queues (
        user_id, pool, ready_cloud, ready_cloud_orchestration, ready_local, ready_local_orchestration,
        active_cloud, active_cloud_orchestration, active_local, active_local_orchestration, running, turn_load, orchestration_room,
        is_open, last_served_at
      )
      values (
        v_change.user_id, v_change.pool,
        v_change.ready_cloud, v_change.ready_cloud_orchestration,
        v_change.ready_local, v_change.ready_local_orchestration,
        v_change.active_cloud, v_change.active_cloud_orchestration,
        v_change.active_local, v_change.active_local_orchestration,
        v_slots.running, v_turn_load, v_room,
        v_slots.cloud_reason is null
          and (v_change.ready_cloud > 0 or (v_room > 0 and v_change.ready_cloud_orchestration > 0)),
        p_now
      );
    end if;

    -- The owner's queue in another pool, which copies the number of running tasks.
    if v_running <> 0 or v_change.orchestrating <> 0 then
      update fairlane_core.user_queues as l
      set running = v_slots.running,
        turn_load = v_turn_load,
        orchestration_room = v_room,
        is_open = v_slots.cloud_reason is null and (l.ready_cloud > 0 or v_room > 0)
      where l.user_id = v_change.user_id
        and l.pool <> v_change.pool
        and l.ready_cloud + l.ready_cloud_orchestration > 0;
    end if;
  end loop;

  if v_has_blocked then
    perform fairlane_core.shift_blocked(p_changes);
  end if;
end;
$$;

create function fairlane_core.shift_blocked(p_changes fairlane_core.counter_delta[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  with change as (
    select
      coalesce(c.user_id, '00000000-0000-0000-0000-000000000000') as user_id,
      c.pool,
      c.readiness as reason,
      c.is_cloud,
      sum(c.delta) as delta
    from unnest(p_changes) as c
    where c.readiness not in ('ready', 'active', 'enqueued', 'held')
    group by 1, 2, 3, 4
    having sum(c.delta) <> 0
  ),
  known as (
    update fairlane_core.blocked_tasks as b
    set task_count = b.task_count + c.delta
    from change as c
    where b.user_id = c.user_id
      and b.pool = c.pool
      and b.reason = c.reason
      and b.is_cloud = c.is_cloud
    returning b.user_id, b.pool, b.reason, b.is_cloud
  )
  insert into fairlane_core.blocked_tasks as b (user_id, pool, reason, is_cloud, task_count)
  select c.user_id, c.pool, c.reason, c.is_cloud, c.delta
  from change as c
  where not exists (
    select
    from known as k
    where k.user_id = c.user_id
      and k.pool = c.pool
      and k.reason = c.reason
      and k.is_cloud = c.is_cloud
  )
  -- Tasks without an owner are not protected by an owner's lock: two statements may add the same row.
  on conflict (user_id, pool, reason, is_cloud) do update
    set task_count = b.task_count + excluded.task_count;
end;
$$;

create function fairlane_core.with_limit(p_reason text, p_running integer, p_limit integer)
returns text language plpgsql immutable security invoker set search_path = '' as $$
begin
  return coalesce(nullif(p_reason, 'user_at_limit'), case when p_running >= p_limit then 'user_at_limit' end);
end;
$$;

create function fairlane_core.move_slots(p_user_id uuid, p_running integer, p_orchestrating integer, p_remembered integer)
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  update fairlane_core.user_slots as s
  set running = s.running + p_running,
    orchestrating = s.orchestrating + p_orchestrating,
    remembered = s.remembered + p_remembered,
    cloud_reason = fairlane_core.with_limit(s.cloud_reason, s.running + p_running, s.task_limit),
    local_reason = fairlane_core.with_limit(s.local_reason, s.running + p_running, s.task_limit)
  where s.user_id = p_user_id;
  perform fairlane_core.refresh_queues(array[p_user_id]);
end;
$$;

create function fairlane_core.refresh_queues(p_user_ids uuid[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  update fairlane_core.user_queues as l
  set running = s.running,
    turn_load = s.running + s.orchestrating + s.remembered,
    orchestration_room = n.orchestration_room,
    is_open = n.is_open,
    task_limit = s.task_limit,
    closed_by = nullif(s.cloud_reason, 'user_at_limit')
  from fairlane_core.user_slots as s
    join fairlane_core.user_queues as o on o.user_id = s.user_id
    cross join lateral (
      select
        greatest(s.orchestration_limit - s.orchestrating, 0) as orchestration_room,
        s.cloud_reason is null
          and (o.ready_cloud > 0 or (o.ready_cloud_orchestration > 0 and s.orchestrating < s.orchestration_limit)) as is_open
    ) as n
  where s.user_id = any (p_user_ids)
    and l.user_id = o.user_id
    and l.pool = o.pool
    and (l.running, l.turn_load, l.orchestration_room, l.is_open, l.task_limit, l.closed_by) is distinct from (
      s.running, s.running + s.orchestrating + s.remembered, n.orchestration_room, n.is_open, s.task_limit,
      nullif(s.cloud_reason, 'user_at_limit')
    );
end;
$$;

create function fairlane_core.user_queues_before_insert()
returns trigger language plpgsql volatile security invoker set search_path = '' as $$
begin
  select s.task_limit, nullif(s.cloud_reason, 'user_at_limit')
  into strict new.task_limit, new.closed_by
  from fairlane_core.user_slots as s
  where s.user_id = new.user_id;
  return new;
end;
$$;

create function fairlane_core.recompute_readiness(p_task_ids uuid[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  update public.tasks as t
  set readiness = null
  where t.id = any (p_task_ids)
    and t.status = 'Queued';
end;
$$;

create function fairlane_core.held_after(
  p_task_id uuid, p_user_id uuid, p_pool text, p_takes_slot boolean, p_worker_id text, p_token_id uuid, p_lease_token uuid,
  p_attempt integer, p_billed_from timestamptz, p_now timestamptz
)
returns fairlane_core.held_slots language plpgsql stable security invoker set search_path = '' as $$
declare
  v_held fairlane_core.held_slots;
begin
  if p_worker_id is null
    or fairlane_core.actor() = session_user::text
    or strpos(current_setting('fairlane_core.mode', true), 'let_go:' || p_task_id) > 0
    or (not p_takes_slot and fairlane_core.is_handed_over(p_task_id, p_lease_token))
    or (
      p_token_id is null
      and exists (select from public.workers as w where w.id = p_worker_id and fairlane_core.has_ended(w.status))
    )
    -- Deleting an owner deletes its held slots too.
    or not exists (select from public.users as u where u.id = p_user_id) then
    return null;
  end if;
  v_held.task_id := p_task_id;
  v_held.user_id := p_user_id;
  v_held.pool := p_pool;
  v_held.takes_slot := p_takes_slot;
  v_held.worker_id := p_worker_id;
  v_held.token_id := p_token_id;
  v_held.lease_token := p_lease_token;
  v_held.attempt := p_attempt;
  -- A task that its owner ends early is paid for until the machine lets go; the service is trusted.
  if p_token_id is null and fairlane_core.actor() ~ '^(user|token):' then
    v_held.billed_from := p_billed_from;
  end if;
  v_held.held_since := p_now;
  v_held.held_until := p_now + (select s.held_slot_limit from fairlane_core.settings as s);
  return v_held;
end;
$$;

create function fairlane_core.hold_slots(p_held fairlane_core.held_slots[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  insert into fairlane_core.held_slots (
    task_id, user_id, pool, takes_slot, worker_id, token_id, lease_token, attempt, billed_from, held_since, held_until
  )
  select
    h.task_id, h.user_id, h.pool, h.takes_slot, h.worker_id, h.token_id, h.lease_token, h.attempt, h.billed_from,
    h.held_since, h.held_until
  from unnest(p_held) as h;
end;
$$;

create function fairlane_core.let_go_by_report(p_caller fairlane_core.caller, p_task_id uuid)
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  if p_caller.kind <> 'user' and exists (select from fairlane_core.held_slots as h where h.task_id = p_task_id and h.let_go_at is null) then
    perform fairlane_core.let_go_of(null, p_caller.token_id, null, p_task_id);
  end if;
end;
$$;

create function fairlane_core.let_go_of(p_worker_id text, p_token_id uuid, p_pool text, p_task_id uuid)
returns integer language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_held_id bigint;
  v_count integer := 0;
begin
  for v_held_id in
    select h.id
    from fairlane_core.held_slots as h
    where h.let_go_at is null
      and h.token_id is not distinct from p_token_id
      and (p_task_id is null or h.task_id = p_task_id)
      and (p_worker_id is null or h.worker_id = p_worker_id)
      and (
        p_pool is null or h.pool = p_pool
        -- What a token's machine ran of other pools (fairlane_core.is_served_by).
        or (p_pool = 'gpu' and h.token_id is not null and (select t.runs_on_own_gpu from public.tasks as t where t.id = h.task_id))
      )
    order by h.user_id, h.id
  loop
    v_count := v_count + fairlane_core.let_go(v_held_id, fairlane_core.now())::integer;
  end loop;
  return v_count;
end;
$$;

create function fairlane_core.free_held_slots(p_limit integer)
returns integer language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_settings fairlane_core.settings;
  v_trusted_since timestamptz := (select least(w.trusted_since, v_now) from fairlane_core.clock_watch as w);
  v_held record;
  v_count integer := 0;
begin
  if not exists (select from fairlane_core.held_slots) then
    return 0;
  end if;
  select s.* into v_settings from fairlane_core.settings as s;

  for v_held in
    select h.id, least(h.held_until, v_now) as ended_at
    from fairlane_core.held_slots as h
      left join public.workers as w on w.id = h.worker_id and h.token_id is null
    where h.let_go_at is null
      and (
        h.held_until <= v_now
        or fairlane_core.has_ended(w.status)
        or (
          h.token_id is null
          and greatest(h.held_since, fairlane_core.seen_at(w.last_heartbeat, v_now), v_trusted_since)
            < v_now - case h.pool when 'gpu' then v_settings.gpu_heartbeat_timeout else v_settings.api_heartbeat_timeout end
        )
      )
    order by h.user_id, h.id
    limit p_limit
  loop
    v_count := v_count + fairlane_core.let_go(v_held.id, v_held.ended_at)::integer;
  end loop;

  for v_held in
    with forgotten as (
      delete from fairlane_core.held_slots as h
      where h.id in (
        select d.id
        from fairlane_core.held_slots as d
          join fairlane_core.user_slots as s on s.user_id = d.user_id
        where d.held_until <= v_now
          and d.let_go_at is not null
        order by d.user_id, d.id
        limit p_limit
        for no key update of s skip locked
      )
      returning h.user_id
    )
    select f.user_id, count(*)::integer as starts from forgotten as f group by f.user_id order by f.user_id
  loop
    perform fairlane_core.move_slots(v_held.user_id, 0, 0, -v_held.starts);
  end loop;
  return v_count;
end;
$$;

create function fairlane_core.let_go(p_held_id bigint, p_at timestamptz)
returns boolean language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_held fairlane_core.held_slots;
  v_task public.tasks;
  v_mode constant text := coalesce(current_setting('fairlane_core.mode', true), '');
begin
  select h.* into v_held from fairlane_core.held_slots as h where h.id = p_held_id;

  -- The task before its owner, as everywhere.
  select t.* into v_task from public.tasks as t where t.id = v_held.task_id for no key update skip locked;
  if v_task.id is null and exists (select from public.tasks as t where t.id = v_held.task_id) then
    return false;
  end if;
  perform from fairlane_core.user_slots as s where s.user_id = v_held.user_id for no key update skip locked;
  if not found then
    return false;
  end if;

  update fairlane_core.held_slots as h
  set let_go_at = p_at,
    -- From here on it counts only for the turn, and briefly: cancelling a task should cost about one attempt, not more.
    held_until = least(h.held_until, p_at + (select s.turn_memory from fairlane_core.settings as s))
  where h.id = p_held_id
    and h.let_go_at is null;
  if not found then
    return false;
  end if;
  perform fairlane_core.move_slots(v_held.user_id, -v_held.takes_slot::integer, v_held.takes_slot::integer - 1, 1);

  -- A machine of the fleet is paid until it lets go, even if the owner has ended its task.
  if v_held.billed_from is not null then
    if v_task.lease_token = v_held.lease_token and v_task.status in ('Complete', 'Failed', 'Cancelled') then
      perform set_config('fairlane_core.mode', concat_ws(' ', v_mode, 'bills'), true);
      update public.tasks as t set generation_processed_at = p_at where t.id = v_task.id;
      perform set_config('fairlane_core.mode', v_mode, true);
    end if;
    insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason, details)
    values (
      v_held.task_id, v_held.user_id, fairlane_core.now(), coalesce(v_task.status, 'In Progress'), coalesce(v_task.status, 'In Progress'),
      v_held.worker_id, v_held.attempt, 'fairlane_core.let_go',
      pg_catalog.format('its worker let go %s s after the end', fairlane_core.seconds_between(v_held.held_since, p_at)),
      jsonb_build_object('billed_from', v_held.billed_from, 'billed_to', p_at)
    );
  end if;
  return true;
end;
$$;

create function fairlane_core.lock_for_update(
  p_regrouped uuid[], p_children fairlane_core.subtasks[], p_reported uuid[], p_reporters uuid[], p_complete uuid[], p_lost uuid[], p_owners uuid[],
  p_is_plain boolean
)
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  if p_is_plain then
    begin
      perform fairlane_core.lock_for_update(p_regrouped, p_children, p_reported, p_reporters, p_complete, p_lost, p_owners, false);
    exception when lock_not_available then
      perform fairlane_core.refuse_while_locked();
    end;
    return;
  end if;

  if p_regrouped is not null then
    perform fairlane_core.lock_relatives_of(
      p_regrouped || array(select s.task_id from fairlane_core.subtasks as s where s.replaced_by = any (p_regrouped)), p_owners, true
    );
    if p_children is not null then
      perform fairlane_core.lock_families(p_children);
    end if;
  end if;
  if p_reported is not null then
    perform fairlane_core.lock_relatives_of(p_reported, p_reporters, false);
  end if;
  if p_complete is not null then
    perform fairlane_core.lock_relatives_of(p_complete, p_owners, false);
  end if;
  if p_lost is not null then
    perform fairlane_core.lock_relatives_of(p_lost, p_owners, true);
  end if;
end;
$$;

create function fairlane_core.lock_families(p_children fairlane_core.subtasks[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_orchestrators uuid[];
  v_owners uuid[];
  v_replaced uuid[];
begin
  select array_agg(distinct c.orchestrator_id), array_agg(distinct c.user_id)
  into v_orchestrators, v_owners
  from unnest(p_children) as c;

  select array_agg(o.task_id)
  into v_replaced
  from unnest(p_children) as c
    cross join lateral (
      select s.task_id
      from fairlane_core.subtasks as s
      where s.orchestrator_id = c.orchestrator_id
        and s.user_id = c.user_id
        and s.final_rank = c.final_rank
        and s.part_index = c.part_index
        and s.task_type = c.task_type
        and s.replaced_by is null
    ) as o;

  if v_replaced is not null then
    perform fairlane_core.lock_relatives_of(v_replaced || v_orchestrators, v_owners, true);
    return;
  end if;

  perform
  from public.tasks as t
  where t.id = any (v_orchestrators)
    and t.user_id = any (v_owners)
    and t.status in ('Queued', 'In Progress')
  order by t.id
  for no key update;
end;
$$;

create function fairlane_core.lock_relatives(p_task_id uuid, p_status text default null)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_user_id uuid;
begin
  select t.user_id into v_user_id from public.tasks as t where t.id = p_task_id;
  if v_user_id is not null then
    perform fairlane_core.lock_relatives_of(
      -- The children of a cancelled orchestrator are cancelled too, unless they are many
      -- (fairlane_core.cancel_children).
      p_task_id || case when p_status is null or p_status = 'Cancelled' then
        (select c.ids from fairlane_core.next_relatives(p_task_id, true, null, 101) as c (ids) where cardinality(c.ids) <= 100)
      end,
      array[v_user_id], p_status is distinct from 'Complete'
    );
  end if;
end;
$$;

create function fairlane_core.lock_relatives_of(p_task_ids uuid[], p_user_ids uuid[], p_is_lost boolean)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_look constant integer := 1000;
  v_above uuid[];
  v_waiting uuid[];
  v_lost uuid[];
begin
  -- Each by key: for an index that was analyzed while empty, the planner sees no difference between a list of keys and
  -- all rows.
  select array_agg(s.orchestrator_id)
  into v_above
  from unnest(p_task_ids) as i (id)
    cross join lateral (select c.orchestrator_id from fairlane_core.subtasks as c where c.task_id = i.id offset 0) as s;

  v_waiting := array(
    select d.task_id
    from unnest(p_task_ids) as i (id)
      cross join lateral (select w.task_id from fairlane_core.task_dependencies as w where w.depends_on = i.id offset 0) as d
    limit v_look + 1
  );

  if v_above is null and v_waiting = '{}' then
    return; -- no order to keep
  elsif cardinality(v_waiting) > v_look then
    v_waiting := '{}';
  end if;

  with recursive reached (task_id) as (
    select r.id from unnest(v_above || case when p_is_lost then v_waiting end) as r (id)
    union
    select n.id
    from reached as l
      cross join lateral (
        select d.task_id as id from fairlane_core.task_dependencies as d where d.depends_on = l.task_id
        union all
        select s.orchestrator_id from fairlane_core.subtasks as s where s.task_id = l.task_id
        offset 0 -- each by key: a join may read all dependencies
      ) as n
  )
  select array_agg(l.task_id)
  into v_lost
  from (select r.task_id from reached as r limit v_look + coalesce(cardinality(v_above), 0) + 1) as l;
  if cardinality(v_lost) > v_look + coalesce(cardinality(v_above), 0) then
    v_lost := null;
  end if;

  perform
  from public.tasks as t
  where t.id = any (p_task_ids || v_above || v_waiting || v_lost)
    and t.status in ('Queued', 'In Progress')
    and t.user_id = any (p_user_ids)
  order by t.id
  for no key update;
end;
$$;

create function fairlane_core.lock_owners(p_user_ids uuid[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  perform from fairlane_core.user_slots as s where s.user_id = any (p_user_ids) order by s.user_id for no key update;
exception when lock_not_available then
  if fairlane_core.is_plain_write() then
    perform fairlane_core.refuse_while_locked();
  end if;
  raise;
end;
$$;

create function fairlane_core.is_plain_write()
returns boolean language plpgsql stable security invoker set search_path = '' as $$
begin
  return coalesce(current_setting('fairlane_core.event', true), '') = ''
    and coalesce(current_setting('request.method', true), '') in ('POST', 'PATCH', 'PUT', 'DELETE')
    and coalesce(current_setting('request.path', true), '') not like '/rpc/%';
end;
$$;

create function fairlane_core.advance_status_totals()
returns json language plpgsql volatile security definer set search_path = '' as $$
declare
  v_up_to bigint;
begin
  insert into fairlane_core.status_totals (status, task_count, last_event_id)
  select s.status, 0, 0
  from unnest(array['Complete', 'Failed', 'Cancelled']) as s (status)
  on conflict do nothing;

  -- Scanned from the end, so that the cost depends on the last minutes only.
  select e.id
  into v_up_to
  from public.task_events as e
  where e.at < fairlane_core.now() - interval '2 minutes'
  order by e.id desc
  limit 1;

  perform fairlane_core.note_durations(
    (select s.last_event_id from fairlane_core.status_totals as s where s.status = 'Complete'), v_up_to
  );

  update fairlane_core.status_totals as s
  set task_count = s.task_count + fairlane_core.ended_since(s.status, s.last_event_id, v_up_to),
    last_event_id = v_up_to
  where s.last_event_id < v_up_to;

  return (select json_object_agg(s.status, s.task_count) from fairlane_core.status_totals as s);
end;
$$;

create function fairlane_core.note_durations(p_after_event_id bigint, p_up_to_event_id bigint)
returns void language plpgsql volatile security invoker set search_path = '' set enable_seqscan = off as $$
declare
  v_now timestamptz := fairlane_core.now();
begin
  with seen as (
    select
      t.task_type,
      (array_agg(extract(epoch from e.at - t.claimed_at)::integer order by e.id))[greatest(count(*) - 49, 1):] as durations
    from public.task_events as e
      -- Each by key, here and wherever events are joined to their tasks: a join may compare every pair.
      cross join lateral (
        select k.task_type, k.takes_slot, k.claimed_at from public.tasks as k where k.id = e.task_id offset 0
      ) as t
    where e.id > greatest(p_after_event_id, p_up_to_event_id - 5000)
      and e.id <= p_up_to_event_id
      and e.from_status = 'In Progress'
      and e.to_status = 'Complete'
      and t.takes_slot
      and t.claimed_at <= e.at
      -- Tasks older than the bounds of types may have one that is too long.
      and length(t.task_type) <= 200
    group by t.task_type
  ),
  joined as (
    select s.task_type, (d.durations || s.durations)[greatest(cardinality(d.durations || s.durations) - 49, 1):] as durations
    from seen as s
      left join fairlane_core.type_durations as d on d.task_type = s.task_type
    -- Users choose type names freely: names without a row are not kept for ever.
    where d.task_type is not null
      or (select count(*) from fairlane_core.type_durations) < 1000
  )
  insert into fairlane_core.type_durations as d (task_type, durations, usual, counted_at)
  select
    j.task_type, j.durations,
    make_interval(secs => (select percentile_disc(0.9) within group (order by x) from unnest(j.durations) as x)),
    v_now
  from joined as j
  on conflict (task_type) do update
  set durations = excluded.durations, usual = excluded.usual, counted_at = excluded.counted_at;

  delete from fairlane_core.type_durations as d where d.counted_at < v_now - interval '30 days';
end;
$$;

create function fairlane_core.ended_total(p_status text)
returns bigint language plpgsql stable security invoker set search_path = '' as $$
declare
  v_total fairlane_core.status_totals;
begin
  select s.* into v_total from fairlane_core.status_totals as s where s.status = p_status;
  return coalesce(v_total.task_count, 0)
    + fairlane_core.ended_since(p_status, coalesce(v_total.last_event_id, 0), 9223372036854775807);
end;
$$;

create function fairlane_core.recount_totals()
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_up_to bigint;
begin
  select e.id
  into v_up_to
  from public.task_events as e
  where e.at < fairlane_core.now() - interval '2 minutes'
  order by e.id desc
  limit 1;

  insert into fairlane_core.status_totals as s (status, task_count, last_event_id)
  select
    n.status, coalesce(c.counted, 0) - fairlane_core.ended_since(n.status, coalesce(v_up_to, 0), 9223372036854775807), coalesce(v_up_to, 0)
  from unnest(array['Complete', 'Failed', 'Cancelled']) as n (status)
    left join (select t.status, count(*) as counted from public.tasks as t group by t.status) as c on c.status = n.status
  on conflict (status) do update
    set task_count = excluded.task_count, last_event_id = excluded.last_event_id;
end;
$$;

create function fairlane_core.ended_since(p_status text, p_after bigint, p_up_to bigint)
returns bigint language plpgsql stable security invoker set search_path = '' as $$
begin
  return (
    select
      count(*) filter (where e.to_status = p_status and e.from_status is distinct from e.to_status)
      - count(*) filter (where e.from_status = p_status and e.from_status <> e.to_status)
      - count(*) filter (where e.from_status = p_status and e.from_status = e.to_status and e.reason = 'deleted')
    from public.task_events as e
    where e.id > p_after
      and e.id <= p_up_to
  );
end;
$$;

create function fairlane_core.has_account(p_user_id uuid)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
begin
  return to_regclass('auth.users') is null
    or exists (select from auth.users as a where a.id = p_user_id and a.deleted_at is null);
end;
$$;

create function fairlane_core.owners_without_account(p_limit integer)
returns setof uuid language plpgsql stable security invoker set search_path = '' as $$
begin
  if not (select s.owners_are_accounts from fairlane_core.settings as s) or to_regclass('auth.users') is null then
    return;
  elsif not exists (select from auth.users) then
    return;
  end if;

  return query
  select u.id
  from public.users as u
  where not exists (select from auth.users as a where a.id = u.id and a.deleted_at is null)
    and not fairlane_core.is_being_deleted(u.id)
  order by u.id
  limit p_limit;
end;
$$;

create function fairlane_core.delete_owners_without_account(p_limit integer)
returns integer language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_owner public.users;
  v_count integer := 0;
begin
  perform fairlane_core.set_event_context('fairlane_core.purge', 'the account was deleted');
  for v_owner in
    select u.*
    from public.users as u
    where u.id = any (array(
        select s.user_id
        from fairlane_core.user_slots as s
        where s.user_id in (select o.id from fairlane_core.owners_without_account(p_limit) as o (id))
        order by s.user_id
        for no key update skip locked
      ))
    order by u.id
  loop
    perform fairlane_core.defer_deletion(v_owner);
    v_count := v_count + 1;
  end loop;
  perform fairlane_core.set_event_context(null);
  return v_count;
end;
$$;

create function fairlane_core.settings_after_update()
returns trigger language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_work fairlane_core.deferred_work;
begin
  if new.stale_after > old.stale_after then
    insert into fairlane_core.deferred_work (kind, since) values ('stale', fairlane_core.now()) returning * into v_work;
    perform fairlane_core.settle_stale(v_work, 100);
  end if;

  if (new.default_task_limit, new.default_orchestration_limit, new.requires_credits)
    is distinct from (old.default_task_limit, old.default_orchestration_limit, old.requires_credits) then
    insert into fairlane_core.deferred_work (kind, since) values ('limits', fairlane_core.now()) returning * into v_work;
    perform fairlane_core.settle_limits(v_work, 100);
  end if;
  return null;
end;
$$;

create function fairlane_core.settle_limits(p_work fairlane_core.deferred_work, p_limit integer)
returns integer language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_next uuid[];
  v_mine uuid[];
  v_changed uuid[];
begin
  v_next := array(
    select s.user_id
    from fairlane_core.user_slots as s
    where s.user_id > coalesce(p_work.after_id, '00000000-0000-0000-0000-000000000000')
      and (p_work.only_id is null or s.user_id = p_work.only_id)
    order by s.user_id
    limit p_limit
  );
  v_mine := array(
    select s.user_id from fairlane_core.user_slots as s where s.user_id = any (v_next) order by s.user_id for no key update skip locked
  );
  if p_work.only_id is not null and cardinality(v_mine) < cardinality(v_next) then
    return null;
  end if;

  if cardinality(v_next) < p_limit or p_work.only_id is not null then
    delete from fairlane_core.deferred_work as w where w.id = p_work.id;
  else
    update fairlane_core.deferred_work as w set after_id = v_next[p_limit] where w.id = p_work.id;
  end if;
  insert into fairlane_core.deferred_work (kind, only_id, since)
  select 'limits', h.id, p_work.since
  from unnest(v_next) as h (id)
  where h.id <> all (v_mine);

  with changed as (
    update fairlane_core.user_slots as s
    set (task_limit, has_credits, cloud_reason, local_reason, orchestration_limit) = (
      select w.task_limit, w.has_credits, w.cloud_reason, w.local_reason, w.orchestration_limit
      from fairlane_core.slots_of(u, s.running, s.orchestrating, s.remembered) as w
    )
    from public.users as u
    where s.user_id = any (v_mine)
      and u.id = s.user_id
    returning s.user_id
  )
  select array_agg(c.user_id) into v_changed from changed as c;
  perform fairlane_core.refresh_queues(v_changed);
  return cardinality(v_mine);
end;
$$;

create function fairlane_core.settle_stale(p_work fairlane_core.deferred_work, p_limit integer)
returns integer language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_mine uuid[];
begin
  v_mine := array(
    select t.id
    from public.tasks as t
    where t.readiness = 'stale'
      and t.created_at >= fairlane_core.now() - (select s.stale_after from fairlane_core.settings as s)
    order by t.created_at
    limit p_limit
    for no key update skip locked
  );
  perform fairlane_core.recompute_readiness(v_mine);
  if cardinality(v_mine) < p_limit and not exists (
    select
    from public.tasks as t
    where t.readiness = 'stale'
      and t.created_at >= fairlane_core.now() - (select s.stale_after from fairlane_core.settings as s)
  ) then
    delete from fairlane_core.deferred_work as w where w.id = p_work.id;
  end if;
  return cardinality(v_mine);
end;
$$;

create function fairlane_core.task_types_after_write()
returns trigger language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_most constant integer := 100;
  v_look constant integer := 1000;
  v_types text[] := array(select distinct n.name from unnest(array[old.name, new.name]) as n (name) where n.name is not null);
  v_owners uuid[];
  v_live uuid[];
  v_mine uuid[];
begin
  if (old.name, old.run_type, old.category, old.is_active, old.runs_on_own_gpu)
    is not distinct from (new.name, new.run_type, new.category, new.is_active, new.runs_on_own_gpu) then
    return null;
  end if;

  v_owners := array(select o.user_id from fairlane_core.owners_with_live_tasks(null, v_look + 1) as o (user_id));
  if cardinality(v_owners) <= v_look then
    v_live := array(
      select t.id
      from unnest(v_owners) as o (user_id)
        cross join unnest(v_types) as y (name)
        cross join lateral (select l.id from fairlane_core.live_tasks_of_type(o.user_id, y.name, null, v_most + 1) as l (id)) as t
      limit v_most + 1
    );
  end if;

  if cardinality(v_owners) > v_look or cardinality(v_live) > v_most then
    insert into fairlane_core.deferred_work (kind, task_type, since) select 'type', y.name, fairlane_core.now() from unnest(v_types) as y (name);
    return null;
  end if;

  v_mine := array(select t.id from public.tasks as t where t.id = any (v_live) order by t.id for no key update skip locked);
  -- The update trigger derives pool, slot and readiness again where pool is null.
  update public.tasks as t
  set pool = null
  where t.id = any (v_mine)
    and t.readiness is not null;
  -- A task that somebody is changing may have been derived before this change.
  insert into fairlane_core.deferred_work (kind, task_type, user_id, only_id, since)
  select 'type', t.task_type, coalesce(t.user_id, '00000000-0000-0000-0000-000000000000'), t.id, fairlane_core.now()
  from public.tasks as t
  where t.id = any (v_live)
    and t.id <> all (v_mine);
  return null;
end;
$$;

create function fairlane_core.live_tasks_of_type(p_user_id uuid, p_task_type text, p_after uuid, p_limit integer)
returns setof uuid language plpgsql stable security invoker set search_path = '' as $$
begin
  if p_user_id = '00000000-0000-0000-0000-000000000000' then
    return query
    select t.id
    from public.tasks as t
    where t.user_id is null
      and left(t.task_type, 200) = left(p_task_type, 200)
      and left(t.task_type, 200) = left(p_task_type, 200)
      and t.task_type = p_task_type
      and t.readiness is not null
      and t.id > coalesce(p_after, '00000000-0000-0000-0000-000000000000')
    order by t.id
    limit p_limit;
    return;
  end if;

  return query
  select t.id
  from public.tasks as t
  where t.user_id = p_user_id
    and left(t.task_type, 200) = left(p_task_type, 200)
    and t.task_type = p_task_type
    and t.readiness is not null
    and t.id > coalesce(p_after, '00000000-0000-0000-0000-000000000000')
  order by t.id
  limit p_limit;
end;
$$;

create function fairlane_core.owners_with_live_tasks(p_after uuid, p_limit integer)
returns setof uuid language plpgsql stable security invoker set search_path = '' as $$
begin
  return query
  select o.user_id
  from (
    (
      select distinct l.user_id
      from fairlane_core.user_queues as l
      where p_after is null or l.user_id > p_after
      order by l.user_id
      limit p_limit
    )
    union
    (
      select distinct b.user_id
      from fairlane_core.blocked_tasks as b
      where p_after is null or b.user_id > p_after
      order by b.user_id
      limit p_limit
    )
  ) as o
  order by o.user_id
  limit p_limit;
end;
$$;

create function fairlane_core.users_before_delete()
returns trigger language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
begin
  if fairlane_core.goes_at_once(old.id, null) then
    -- Takes the locks that the foreign keys will need while a lock timeout can still be reported; tasks before their
    -- owner, as everywhere.
    if fairlane_core.is_plain_write() then
      begin
        perform from public.tasks as t where t.user_id = old.id order by t.id for update;
        perform from fairlane_core.user_slots as s where s.user_id = old.id for update;
      exception when lock_not_available then
        perform fairlane_core.refuse_while_locked();
      end;
    end if;
    return old;
  end if;

  perform fairlane_core.defer_deletion(old);
  return null;
end;
$$;

create function fairlane_core.defer_deletion(p_user public.users)
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  if fairlane_core.is_being_deleted(p_user.id) then
    return;
  end if;

  insert into fairlane_core.deferred_work (kind, user_id, deleted_id, reason, since)
  values ('user', p_user.id, p_user.id, fairlane_core.actor(), fairlane_core.now());
  update public.projects as p
  set deleted_at = fairlane_core.now()
  where p.id = any (array(
      select o.id from public.projects as o where o.user_id = p_user.id and o.deleted_at is null limit 1000
    ));
  delete from public.user_api_tokens as k where k.user_id = p_user.id;
  perform fairlane_core.lock_owners(array[p_user.id]);
  -- The row of users itself does not change: where an app has linked the two, an update in the transaction that deletes
  -- the account would still have to find the account.
  update fairlane_core.user_slots as s
  set (task_limit, orchestration_limit, cloud_reason, local_reason) = (
    select w.task_limit, w.orchestration_limit, w.cloud_reason, w.local_reason
    from fairlane_core.slots_of(p_user, s.running, s.orchestrating, s.remembered) as w
  )
  where s.user_id = p_user.id;
  perform fairlane_core.refresh_queues(array[p_user.id]);
end;
$$;

create function fairlane_core.users_after_delete()
returns trigger language plpgsql security definer set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
begin
  insert into fairlane_core.deleted_users (user_id, deleted_at)
  values (old.id, fairlane_core.now())
  on conflict (user_id) do update set deleted_at = excluded.deleted_at;
  return null;
end;
$$;

create function fairlane_core.projects_before_delete()
returns trigger language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
begin
  if fairlane_core.goes_at_once(null, old.id)
    -- Its owner has already been deleted, so no row may remain.
    or not exists (select from public.users as u where u.id = old.user_id) then
    return old;
  end if;

  insert into fairlane_core.deferred_work (kind, user_id, deleted_id, reason, since)
  select 'project', old.user_id, old.id, fairlane_core.actor(), fairlane_core.now()
  where not fairlane_core.is_being_deleted(old.id);
  update public.projects as p set deleted_at = fairlane_core.now() where p.id = old.id and p.deleted_at is null;
  return null;
end;
$$;

create function fairlane_core.goes_at_once(p_user_id uuid, p_project_id uuid)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
declare
  v_most_tasks constant integer := 100;
  v_most_others constant integer := 1000;
begin
  -- Two statements, because each has its own index.
  if p_project_id is not null then
    return (select count(*) from (select from public.tasks as t where t.project_id = p_project_id limit v_most_tasks + 1) as n) <= v_most_tasks
      and (select count(*) from (select from public.generations as g where g.project_id = p_project_id limit v_most_others + 1) as n) <= v_most_others;
  end if;
  return (select count(*) from (select from public.tasks as t where t.user_id = p_user_id limit v_most_tasks + 1) as n) <= v_most_tasks
    and (select count(*) from (select from public.generations as g where g.user_id = p_user_id limit v_most_others + 1) as n) <= v_most_others
    and (select count(*) from (select from public.projects as p where p.user_id = p_user_id limit v_most_others + 1) as n) <= v_most_others;
end;
$$;

create function fairlane_core.is_being_deleted(p_id uuid)
returns boolean language sql stable security invoker set search_path = '' as $$
  select exists (select from fairlane_core.deferred_work as w where w.deleted_id = p_id);
$$;

create function fairlane_core.settle_deletion(p_work fairlane_core.deferred_work, p_limit integer)
returns integer language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_is_user constant boolean := p_work.kind = 'user';
  v_owner uuid;
  v_mine uuid[];
  v_count integer;
begin
  if v_is_user then
    select u.id into v_owner from public.users as u where u.id = p_work.deleted_id;
  else
    select p.user_id into v_owner from public.projects as p where p.id = p_work.deleted_id and p.deleted_at is not null;
  end if;
  if v_owner is null then
    delete from fairlane_core.deferred_work as w where w.id = p_work.id;
    return 0;
  end if;

  perform from fairlane_core.user_slots as s where s.user_id = v_owner for no key update skip locked;
  if not found and exists (select from fairlane_core.user_slots as s where s.user_id = v_owner) then
    return null;
  end if;

  if v_is_user then
    v_mine := array(select g.id from public.generations as g where g.user_id = v_owner limit 10 * p_limit for update skip locked);
  else
    v_mine := array(
      select g.id from public.generations as g where g.project_id = p_work.deleted_id limit 10 * p_limit for update skip locked
    );
  end if;
  if cardinality(v_mine) > 0 then
    delete from public.generations as g where g.id = any (v_mine);
    return least(cardinality(v_mine), p_limit);
  end if;

  if v_is_user then
    v_mine := array(
      select t.id from public.tasks as t where t.user_id = v_owner order by t.created_at desc limit p_limit for update skip locked
    );
  else
    v_mine := array(select t.id from public.tasks as t where t.project_id = p_work.deleted_id limit p_limit for update skip locked);
  end if;
  if cardinality(v_mine) > 0 then
    -- The history records whose deletion it is.
    perform fairlane_core.set_event_context(coalesce(p_work.reason, 'fairlane_core.settle'));
    delete from public.tasks as t where t.id = any (v_mine);
    perform fairlane_core.set_event_context('fairlane_core.settle');
    return cardinality(v_mine);
  elsif (v_is_user and exists (select from public.tasks as t where t.user_id = v_owner))
    or (not v_is_user and exists (select from public.tasks as t where t.project_id = p_work.deleted_id)) then
    return null;
  end if;

  if v_is_user then
    delete from public.projects as p
    where p.id = any (array(select o.id from public.projects as o where o.user_id = v_owner limit 5 * p_limit for update skip locked));
    get diagnostics v_count = row_count;
    if v_count > 0 then
      return least(v_count, p_limit);
    end if;
    delete from public.users as u where u.id = v_owner;
  else
    delete from public.projects as p where p.id = p_work.deleted_id;
  end if;
  -- Somebody holds what is left, or more has arrived: try later.
  if not found then
    return null;
  end if;
  delete from fairlane_core.deferred_work as w where w.id = p_work.id;
  return 1;
end;
$$;

create function fairlane_core.users_after_write()
returns trigger language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_changed uuid[];
begin
  select array_agg(n.id)
  into v_changed
  from new_rows as n
    join public.users as u on u.id = n.id
    left join fairlane_core.user_slots as s on s.user_id = n.id
    cross join lateral fairlane_core.slots_of(u, 0, 0, 0) as w
  where s.user_id is null
    or (s.task_limit, s.has_credits, s.cloud_on, s.local_on, s.settings_malformed, s.orchestration_limit)
      is distinct from (w.task_limit, w.has_credits, w.cloud_on, w.local_on, w.settings_malformed, w.orchestration_limit);

  if v_changed is null then
    return null;
  end if;

  perform fairlane_core.lock_owners(v_changed);
  insert into fairlane_core.user_slots as s
  select w.*
  from public.users as u
    cross join lateral fairlane_core.slots_of(u, 0, 0, 0) as w
  where u.id = any (v_changed)
  order by u.id
  on conflict (user_id) do update
    set (
      task_limit, has_credits, cloud_on, local_on, settings_malformed, cloud_reason, local_reason, orchestration_limit
    ) = (
      select
        w.task_limit, w.has_credits, w.cloud_on, w.local_on, w.settings_malformed, w.cloud_reason, w.local_reason,
        w.orchestration_limit
      from public.users as u
        cross join lateral fairlane_core.slots_of(u, s.running, s.orchestrating, s.remembered) as w
      where u.id = s.user_id
    );
  perform fairlane_core.refresh_queues(v_changed);
  return null;
end;
$$;

create function fairlane_core.register_owner(p_user_id uuid)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_settings fairlane_core.settings;
begin
  if p_user_id is null or exists (select from public.users as u where u.id = p_user_id) then
    return;
  end if;

  select s.* into v_settings from fairlane_core.settings as s;
  if not v_settings.registers_owners then
    return;
  elsif v_settings.owners_are_accounts and not fairlane_core.has_account(p_user_id) then
    perform fairlane_core.refuse(
      400, 'OWNER_UNKNOWN', pg_catalog.format('There is no account %s', p_user_id),
      'Send the id of a user who has signed up; for owners of another kind set fairlane_core.settings.owners_are_accounts to false'
    );
  end if;
  -- Two first tasks at once: the second waits for the first and then finds its row.
  insert into public.users (id) values (p_user_id) on conflict (id) do nothing;
end;
$$;

create function fairlane_core.set_owner(
  p_user_id uuid,
  p_max_in_progress integer default null,
  p_max_orchestrating integer default null,
  p_credits numeric default null
)
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  perform fairlane_core.register_owner(p_user_id);
  update public.users as u
  set max_in_progress = p_max_in_progress, max_orchestrating = p_max_orchestrating, credits = coalesce(p_credits, u.credits)
  where u.id = p_user_id
    and (u.max_in_progress, u.max_orchestrating, u.credits)
      is distinct from (p_max_in_progress, p_max_orchestrating, coalesce(p_credits, u.credits));
end;
$$;

create function fairlane_core.users_keep_settings_small()
returns trigger language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  if tg_op = 'INSERT' or new.settings is distinct from old.settings then
    perform fairlane_core.refuse_large_json(new.settings, 'settings');
  end if;
  return new;
end;
$$;

create function fairlane_core.projects_before_insert()
returns trigger language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  perform fairlane_core.register_owner(new.user_id);
  return new;
end;
$$;

create function fairlane_core.projects_before_update()
returns trigger language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
begin
  perform from public.projects as p where p.id = old.id for update;
  return new;
end;
$$;

create function fairlane_core.projects_after_update()
returns trigger language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
begin
  if current_setting('fairlane_core.mode', true) is distinct from 'moves_project'
    and (
      exists (select from public.tasks as t where t.project_id = old.id)
      or exists (select from public.generations as g where g.project_id = old.id)
    ) then
    perform fairlane_core.refuse(
      409, 'PROJECT_HAS_TASKS', pg_catalog.format('Project %s holds tasks or results, which would stay with its former owner', old.id),
      pg_catalog.format('With the service key: move_project {"p_project_id": "%s", "p_user_id": "%s"}', old.id, new.user_id)
    );
  end if;
  return null;
end;
$$;

create function fairlane_core.move_project(p_caller jsonb, p_project_id uuid, p_user_id uuid)
returns json language plpgsql volatile security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service']);
  v_most constant integer := 10000;
  v_from uuid;
  v_tasks uuid[];
  v_waiting uuid[];
  v_in_the_way record;
  v_generations integer;
begin
  perform fairlane_core.open_tables(true);
  select p.user_id into v_from from public.projects as p where p.id = p_project_id and p.deleted_at is null for update;
  if v_from is null then
    perform fairlane_core.refuse(404, 'PROJECT_NOT_FOUND', pg_catalog.format('There is no project %s', p_project_id));
  end if;
  perform fairlane_core.register_owner(p_user_id);
  if not exists (select from public.users as u where u.id = p_user_id) or fairlane_core.is_being_deleted(p_user_id) then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('There is no user %s', coalesce(p_user_id::text, 'null')));
  elsif v_from = p_user_id then
    return json_build_object('project_id', p_project_id, 'user_id', p_user_id, 'tasks', 0, 'generations', 0);
  elsif coalesce(current_setting('request.method', true), '') <> '' and exists (
    select from public.tasks as t where t.project_id = p_project_id offset v_most
  ) then
    perform fairlane_core.refuse(
      409, 'PROJECT_HAS_TASKS', pg_catalog.format('The project has more than %s tasks, too many to move in one request', v_most),
      'Delete tasks of it that have ended, or call fairlane_core.move_project in a session of SQL: claims for both users wait meanwhile'
    );
  end if;

  v_tasks := array(
    select t.id from public.tasks as t where t.project_id = p_project_id order by t.id for no key update
  );
  perform from fairlane_core.user_slots as s where s.user_id in (v_from, p_user_id) order by s.user_id for no key update;

  select t.id
  into v_in_the_way
  from public.tasks as t
  where t.id = any (v_tasks)
    and t.status = 'In Progress'
  limit 1;
  if v_in_the_way.id is not null then
    perform fairlane_core.refuse(
      409, 'PROJECT_HAS_TASKS', pg_catalog.format('Task %s of the project is In Progress', v_in_the_way.id),
      'Wait until it has ended, or cancel it; what is queued moves along'
    );
  end if;

  -- Dependencies and children across the border of the project.
  select l.id, l.other
  into v_in_the_way
  from (
    select d.task_id as id, d.depends_on as other, d.task_id as bound
    from fairlane_core.task_dependencies as d
    where d.task_id = any (v_tasks) or d.depends_on = any (v_tasks)
    union all
    select s.task_id, s.orchestrator_id, b.id
    from fairlane_core.subtasks as s
      cross join lateral (values (s.task_id), (s.orchestrator_id)) as b (id)
    where s.task_id = any (v_tasks) or s.orchestrator_id = any (v_tasks)
  ) as l
    join public.tasks as t on t.id = l.id
    join public.tasks as o on o.id = l.other
    join public.tasks as b on b.id = l.bound
  where t.project_id <> o.project_id
    and t.user_id = o.user_id
    and b.status in ('Queued', 'In Progress')
  limit 1;
  if v_in_the_way.id is not null then
    perform fairlane_core.refuse(
      409, 'PROJECT_HAS_TASKS',
      pg_catalog.format('Task %s belongs to task %s, and only one of the two is in the project', v_in_the_way.id, v_in_the_way.other),
      'Wait until both have ended, or move both into one project first'
    );
  end if;

  perform fairlane_core.set_event_context(fairlane_core.caller_name(v_caller), 'moved with its project to another user');
  perform set_config('fairlane_core.mode', 'moves_project', true);
  -- An idempotency key is unique per owner.
  update public.tasks as t
  set user_id = p_user_id,
    idempotency_key = case
      when not exists (
        select from public.tasks as k where k.user_id = p_user_id and k.idempotency_key = t.idempotency_key
      ) then t.idempotency_key
    end
  where t.id = any (v_tasks);
  update fairlane_core.subtasks as s set user_id = p_user_id where s.task_id = any (v_tasks);
  update fairlane_core.orchestrations as o set user_id = p_user_id where o.orchestrator_id = any (v_tasks);
  update public.task_events as e set user_id = p_user_id where e.task_id = any (v_tasks);
  update public.generations as g set user_id = p_user_id where g.project_id = p_project_id;
  get diagnostics v_generations = row_count;
  update public.projects as p set user_id = p_user_id where p.id = p_project_id;

  -- A trigger saw the other tasks of the statement before they had moved.
  v_waiting := array(
    select t.id from public.tasks as t where t.id = any (v_tasks) and t.status = 'Queued' and t.dependant_on is not null
  );
  perform fairlane_core.recompute_readiness(v_waiting);

  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason)
  select t.id, t.user_id, fairlane_core.now(), t.status, t.status, t.worker_id, t.attempts, fairlane_core.actor(), 'moved with its project to another user'
  from public.tasks as t
  where t.id = any (v_tasks);
  perform set_config('fairlane_core.mode', '', true);
  perform fairlane_core.set_event_context(null);
  return json_build_object(
    'project_id', p_project_id, 'user_id', p_user_id, 'tasks', cardinality(v_tasks), 'generations', v_generations
  );
end;
$$;

create function fairlane_core.set_task_type(p_caller jsonb, p_name text, p_changes jsonb)
returns json language plpgsql volatile security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_old public.task_types;
  v_new public.task_types;
begin
  perform fairlane_core.resolve_caller(p_caller, array['service']);
  if coalesce(length(p_name), 0) not between 1 and 200 then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The name of a type must have 1 to 200 characters');
  end if;

  perform fairlane_core.open_tables(false);
  -- Two calls at once for a new name: the second waits, and then changes what the first has added.
  perform fairlane_core.wait_for_name('fairlane_core.task_type::' || p_name, 'Another change of this type');
  select y.* into v_old from public.task_types as y where y.name = p_name for no key update;
  v_new := fairlane_core.read_type_changes(case when v_old.name is null then fairlane_core.type_by_name(p_name) else v_old end, p_changes);

  if v_old.name is null then
    insert into public.task_types (
      name, run_type, category, content_type, is_active, creates_generation, max_attempts, timeout, is_retryable,
      runs_on_own_gpu
    )
    values (
      v_new.name, v_new.run_type, v_new.category, v_new.content_type, v_new.is_active, v_new.creates_generation,
      v_new.max_attempts, v_new.timeout, v_new.is_retryable, v_new.runs_on_own_gpu
    )
    on conflict (name) do nothing;
    if not found then
      perform fairlane_core.refuse(503, 'UNAVAILABLE', 'Another transaction has just added a type of this name', 'Repeat the same request');
    end if;
  elsif v_old is distinct from v_new then
    update public.task_types as y
    set run_type = v_new.run_type,
      category = v_new.category,
      content_type = v_new.content_type,
      is_active = v_new.is_active,
      creates_generation = v_new.creates_generation,
      max_attempts = v_new.max_attempts,
      timeout = v_new.timeout,
      is_retryable = v_new.is_retryable,
      runs_on_own_gpu = v_new.runs_on_own_gpu
    where y.name = p_name;
  end if;

  return json_build_object(
    'name', p_name,
    'change', case when v_old.name is null then 'added' when v_old is distinct from v_new then 'changed' else 'none' end,
    'before', case when v_old.name is not null then fairlane_core.type_as_json(v_old) end,
    'type', fairlane_core.type_as_json(v_new),
    'is_settled', not exists (select from fairlane_core.deferred_work as w where w.task_type = p_name)
  );
end;
$$;

create function fairlane_core.read_type_changes(p_type public.task_types, p_changes jsonb)
returns public.task_types language plpgsql immutable security invoker set search_path = '' as $$
declare
  v_type public.task_types := p_type;
  v_field record;
  v_rule text;
  v_is_good boolean;
begin
  if jsonb_typeof(p_changes) is distinct from 'object' then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT', 'The changes of a type must be an object', 'Send {} for a type that is as its name says'
    );
  end if;

  for v_field in select f.key, f.value, jsonb_typeof(f.value) as kind, f.value #>> '{}' as text from jsonb_each(p_changes) as f order by f.key loop
    case v_field.key
      when 'pool' then
        v_rule := 'one of ' || array_to_string(fairlane_core.pools(), ', ');
        v_is_good := v_field.kind = 'string' and v_field.text = any (fairlane_core.pools());
      when 'category' then
        v_rule := 'one of generation, processing, orchestration, utility';
        v_is_good := v_field.kind = 'string' and v_field.text in ('generation', 'processing', 'orchestration', 'utility');
      when 'content_type' then
        v_rule := 'image, video or null';
        v_is_good := v_field.kind = 'null' or (v_field.kind = 'string' and v_field.text in ('image', 'video'));
      when 'creates_generation', 'is_active', 'is_retryable', 'runs_on_own_gpu' then
        v_rule := 'true or false';
        v_is_good := v_field.kind = 'boolean';
      when 'max_attempts' then
        v_rule := 'a whole number from 1 to 1000, or null';
        v_is_good := v_field.kind = 'null' or (v_field.kind = 'number' and v_field.text ~ '^[0-9]{1,4}$');
        if v_is_good and v_field.kind = 'number' then
          v_is_good := v_field.text::integer between 1 and 1000;
        end if;
      when 'timeout_seconds' then
        v_rule := 'a number of seconds, more than 0 and at most 30 days, or null';
        v_is_good := v_field.kind = 'null' or (v_field.kind = 'number' and length(v_field.text) <= 40);
        if v_is_good and v_field.kind = 'number' then
          v_is_good := v_field.text::numeric between 0.001 and 2592000;
        end if;
      else
        perform fairlane_core.refuse(
          400, 'INVALID_ARGUMENT', pg_catalog.format('A type of task has no field %s', fairlane_core.cut_text(v_field.key)),
          'Its fields are pool, category, content_type, creates_generation, is_active, is_retryable, max_attempts, timeout_seconds, runs_on_own_gpu'
        );
    end case;
    if not v_is_good then
      perform fairlane_core.refuse(
        400, 'INVALID_ARGUMENT', pg_catalog.format('The %s of a type must be %s, not %s', v_field.key, v_rule, left(v_field.value::text, 100))
      );
    end if;

    case v_field.key
      when 'pool' then v_type.run_type := v_field.text;
      when 'category' then v_type.category := v_field.text;
      when 'content_type' then v_type.content_type := v_field.text;
      when 'creates_generation' then v_type.creates_generation := v_field.text::boolean;
      when 'is_active' then v_type.is_active := v_field.text::boolean;
      when 'is_retryable' then v_type.is_retryable := v_field.text::boolean;
      when 'runs_on_own_gpu' then v_type.runs_on_own_gpu := v_field.text::boolean;
      when 'max_attempts' then v_type.max_attempts := v_field.text::integer;
      when 'timeout_seconds' then v_type.timeout := make_interval(secs => v_field.text::double precision);
    end case;
  end loop;

  if v_type.category = 'orchestration' and v_type.creates_generation then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT', 'An orchestration type creates no result record: its parts do',
      'Send creates_generation false with it, or another category'
    );
  elsif v_type.category = 'orchestration' and v_type.runs_on_own_gpu then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT', 'An orchestration type runs in its own pool only: just types that take a slot can run on their owner''s GPU as well',
      'Send runs_on_own_gpu false with it, or another category'
    );
  end if;
  return v_type;
end;
$$;

create function fairlane_core.unknown_task_types(p_caller jsonb)
returns json language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_now timestamptz := fairlane_core.now();
begin
  perform fairlane_core.resolve_caller(p_caller, array['service']);
  return json_build_object(
    'types', coalesce(
      (
        select json_agg(json_build_object(
          'name', u.name,
          'task_count', u.task_count,
          'first_seen_at', u.first_seen_at,
          'last_seen_at', u.last_seen_at,
          'taken_for', fairlane_core.type_as_json(fairlane_core.type_by_name(u.name)),
          'hint', pg_catalog.format(
            'If that is right: select public.set_task_type(%L); if not, say what it is: select public.set_task_type(%L, %L)',
            u.name, u.name, '{"pool": "api", "category": "generation", "content_type": "image", "creates_generation": true}'
          )
        ) order by u.last_seen_at desc, u.name)
        from fairlane_core.unknown_types as u
        where u.last_seen_at > v_now - interval '7 days'
          and not exists (select from public.task_types as y where y.name = u.name)
      ),
      '[]'
    ),
    'since', v_now - interval '7 days'
  );
end;
$$;

create function fairlane_core.type_by_name(p_name text)
returns public.task_types language plpgsql immutable security invoker set search_path = '' as $$
declare
  v_type public.task_types;
begin
  v_type.name := p_name;
  v_type.run_type := 'gpu';
  v_type.category := case when fairlane_core.takes_slot(p_name, null) then 'processing' else 'orchestration' end;
  v_type.is_active := true;
  v_type.creates_generation := false;
  v_type.is_retryable := true;
  v_type.runs_on_own_gpu := false;
  return v_type;
end;
$$;

create function fairlane_core.type_as_json(p_type public.task_types)
returns jsonb language plpgsql immutable security invoker set search_path = '' as $$
begin
  return jsonb_build_object(
    'pool', p_type.run_type,
    'category', p_type.category,
    'content_type', p_type.content_type,
    'creates_generation', p_type.creates_generation,
    'is_active', p_type.is_active,
    'is_retryable', p_type.is_retryable,
    'max_attempts', p_type.max_attempts,
    'timeout_seconds', extract(epoch from p_type.timeout),
    'runs_on_own_gpu', p_type.runs_on_own_gpu
  );
end;
$$;

create function fairlane_core.create_tasks(p_caller jsonb, p_tasks jsonb)
returns json language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_requests fairlane_core.task_request[];
  v_new fairlane_core.task_request[] := array[]::fairlane_core.task_request[];
  v_request fairlane_core.task_request;
  v_task public.tasks;
  v_replies json[] := array[]::json[];
  v_created uuid[] := array[]::uuid[];
  -- Ids of this batch, and the existing tasks with the same keys.
  v_sent uuid[] := array[]::uuid[];
  v_known uuid[] := array[]::uuid[];
begin
  if jsonb_typeof(p_tasks) is distinct from 'array' or jsonb_array_length(p_tasks) not between 1 and 1000 then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'A batch must hold 1 to 1000 tasks', 'Send several batches');
  end if;

  perform fairlane_core.open_tables(false);

  select array_agg(fairlane_core.read_task_request(v_caller, b.body) order by b.place)
  into v_requests
  from jsonb_array_elements(p_tasks) with ordinality as b (body, place);

  -- Requests of one owner are processed one after the other: if the same id or key is sent twice at once, the second
  -- finds the first. Taken before any row, in one order, by nothing else; so it cannot deadlock.
  perform pg_advisory_xact_lock(l.key)
  from (
    select distinct hashtextextended('enqueue:' || r.owner_id, 0) as key
    from unnest(v_requests) as r
    where r.owner_id is not null
    order by 1
  ) as l;

  foreach v_request in array v_requests loop
    v_task := fairlane_core.task_for_request(v_caller, v_request);
    if v_task.id is null then
      perform fairlane_core.refuse_homeless_task(v_request);
      perform fairlane_core.refuse_raised_limits(v_caller, v_request);
      v_new := v_new || v_request;
    elsif v_task.id <> v_request.task_id then
      v_sent := v_sent || v_request.task_id;
      v_known := v_known || v_task.id;
    end if;
  end loop;

  if cardinality(v_new) > 0 then
    if cardinality(v_sent) > 0 then
      for v_place in 1..cardinality(v_new) loop
        v_new[v_place].depends_on := array(
          select coalesce(v_known[array_position(v_sent, d.id)], d.id)
          from unnest(v_new[v_place].depends_on) with ordinality as d (id, place)
          order by d.place
        );
      end loop;
    end if;

    perform fairlane_core.set_event_context(fairlane_core.caller_name(v_caller));
    v_created := fairlane_core.insert_requested_tasks(v_new);
    perform fairlane_core.set_event_context(null);
  end if;

  foreach v_request in array v_requests loop
    v_task := fairlane_core.task_for_request(v_caller, v_request);
    if v_task.id is null then
      perform fairlane_core.refuse(
        503, 'UNAVAILABLE', pg_catalog.format('Task %s was created and deleted at this moment', v_request.task_id), 'Repeat the same request'
      );
    end if;
    v_replies := v_replies || fairlane_core.created_reply(v_task, v_task.id = any (v_created));
  end loop;
  return array_to_json(v_replies);
end;
$$;

create function fairlane_core.refuse_homeless_task(p_request fairlane_core.task_request)
returns void language plpgsql stable security invoker set search_path = '' as $$
begin
  if p_request.project_id is not null then
    return;
  elsif coalesce(p_request.project, '') = '' and (select s.registers_owners from fairlane_core.settings as s) then
    if p_request.owner_id is null then
      perform fairlane_core.refuse(400, 'OWNER_UNKNOWN', 'Neither a project nor user_id says whose task it is', 'Send user_id, or the UUID of a project');
    end if;
    return;
  elsif fairlane_core.is_uuid(p_request.project) then
    perform fairlane_core.refuse(
      404, 'PROJECT_NOT_FOUND',
      pg_catalog.format('There is no project %s', p_request.project),
      'Check the id and whose token is used'
    );
  end if;
  perform fairlane_core.refuse(
    400, 'PROJECT_REQUIRED',
    pg_catalog.format(
      'The project_id %s is no UUID, and neither params nor dependencies lead to a project',
      coalesce(to_json(left(p_request.project, 100))::text, 'null')
    ),
    'Send the project''s UUID, or the parent in params.' || fairlane_core.parent_key()
  );
end;
$$;

create function fairlane_core.refuse_raised_limits(p_caller fairlane_core.caller, p_request fairlane_core.task_request)
returns void language plpgsql stable security invoker set search_path = '' as $$
declare
  v_max_attempts integer;
  v_timeout interval;
begin
  if p_caller.kind = 'service' then
    return;
  end if;

  v_max_attempts := fairlane_core.max_attempts(p_request.task_type);
  if p_request.max_attempts > v_max_attempts then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format(
        'The max_attempts of a task of type %s must be at most %s, not %s',
        p_request.task_type, v_max_attempts, p_request.max_attempts
      ),
      'Leave it out for the type''s'
    );
  end if;

  select y.timeout into v_timeout from public.task_types as y where y.name = p_request.task_type;
  if make_interval(secs => p_request.timeout_seconds) > v_timeout then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format(
        'The timeout_seconds of a task of type %s must be at most %s, not %s',
        p_request.task_type, extract(epoch from v_timeout)::bigint, p_request.timeout_seconds
      ),
      'Leave it out for the type''s'
    );
  end if;
end;
$$;

create function fairlane_core.insert_requested_tasks(p_requests fairlane_core.task_request[])
returns uuid[] language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_created uuid[];
  v_waiting uuid[];
begin
  with new_task as (
    insert into public.tasks (
      id, task_type, params, project_id, user_id, dependant_on, run_type, priority, available_at, idempotency_key,
      max_attempts, timeout, created_at
    )
    select
      n.task_id, n.task_type, n.params, n.project_id, n.owner_id, n.depends_on[1], coalesce(n.run_type, 'cloud'),
      coalesce(n.priority, 0), n.available_at, n.idempotency_key, n.max_attempts,
      make_interval(secs => n.timeout_seconds),
      -- Tasks of one batch keep their order in the queue.
      coalesce(n.created_at, fairlane_core.now() + (n.place - 1) * interval '1 microsecond')
    from unnest(p_requests) with ordinality as n (
      task_id, task_type, params, project, depends_on, run_type, priority, available_at, idempotency_key,
      max_attempts, timeout_seconds, created_at, project_id, owner_id, place
    )
    order by n.task_id
    -- Inserted a moment ago by a direct write.
    on conflict do nothing
    returning id
  )
  select array_agg(t.id) into v_created from new_task as t;

  -- The row itself contains the first dependency. Nobody sees the row before the others exist.
  insert into fairlane_core.task_dependencies (task_id, depends_on)
  select distinct n.task_id, d.id
  from unnest(p_requests) as n
    cross join unnest(n.depends_on) as d (id)
  where n.task_id = any (v_created)
  on conflict do nothing;

  select array_agg(n.task_id)
  into v_waiting
  from unnest(p_requests) as n
  where n.task_id = any (v_created)
    and cardinality(n.depends_on) > 1;
  if v_waiting is not null then
    perform fairlane_core.refuse_cycles(v_waiting);
    perform fairlane_core.recompute_readiness(v_waiting);
  end if;
  return coalesce(v_created, array[]::uuid[]);
end;
$$;

create function fairlane_core.created_reply(p_task public.tasks, p_is_new boolean)
returns json language plpgsql stable security invoker set search_path = '' as $$
begin
  return json_build_object(
    'task_id', p_task.id,
    'status', p_task.status,
    'created', p_is_new,
    'task_type', p_task.task_type,
    'project_id', p_task.project_id,
    'dependant_on', p_task.dependant_on,
    'run_type', p_task.run_type,
    'priority', p_task.priority,
    'available_at', p_task.available_at,
    'idempotency_key', p_task.idempotency_key,
    'output_location', p_task.output_location,
    'created_at', p_task.created_at
  );
end;
$$;

create function fairlane_core.read_task_request(p_caller fairlane_core.caller, p_body jsonb)
returns fairlane_core.task_request language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_request fairlane_core.task_request := jsonb_populate_record(null::fairlane_core.task_request, p_body);
  v_project public.projects;
begin
  if coalesce(v_request.task_type, '') = '' then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'A task must have a task_type');
  elsif v_request.task_id = any (v_request.depends_on) then
    perform fairlane_core.refuse(400, 'DEPENDENCY_CYCLE', 'A task cannot depend on itself');
  end if;

  v_request.task_id := coalesce(v_request.task_id, gen_random_uuid());
  v_request.params := fairlane_core.params_object(v_request.params);
  if p_caller.kind <> 'service' then
    v_request.created_at := null;
  end if;

  v_project := fairlane_core.project_for(p_caller, v_request);
  v_request.project_id := v_project.id;
  v_request.owner_id := coalesce(v_project.user_id, p_caller.user_id);
  if p_body ->> 'user_id' is not null and (select s.registers_owners from fairlane_core.settings as s) then
    v_request.owner_id := coalesce(v_request.owner_id, (p_body ->> 'user_id')::uuid);
    if v_request.owner_id <> (p_body ->> 'user_id')::uuid then
      perform fairlane_core.refuse(
        403, 'FORBIDDEN', 'The task would belong to another owner than user_id says',
        'Leave user_id out: the owner is that of the project, or whoever calls'
      );
    end if;
  end if;

  -- A family may be a client's name for a type.
  if p_body ->> 'family' is not null then
    v_request.task_type := coalesce(
      (
        select n.task_type
        from fairlane_core.family_names as n
        where n.family = v_request.task_type
          and (n.having_param = '' or v_request.params ? n.having_param)
          and (
            n.parent_type = ''
            or n.parent_type = (
              select t.task_type
              from public.tasks as t
              where t.id = fairlane_core.parent_task_id(v_request.params)
                and t.user_id = v_request.owner_id
            )
          )
        order by n.parent_type desc, n.having_param desc
        limit 1
      ),
      v_request.task_type
    );
  end if;
  return v_request;
end;
$$;

create function fairlane_core.project_for(p_caller fairlane_core.caller, p_request fairlane_core.task_request)
returns public.projects language plpgsql stable security invoker set search_path = '' as $$
declare
  v_is_service constant boolean := p_caller.kind = 'service';
  v_project public.projects;
begin
  if fairlane_core.is_uuid(p_request.project) then
    select p.*
    into v_project
    from public.projects as p
    where p.id = p_request.project::uuid
      and p.deleted_at is null
      and (v_is_service or p.user_id = p_caller.user_id);
    return v_project;
  end if;

  select p.*
  into v_project
  from (
    select 1 as source, n.place, t.project_id
    from unnest(fairlane_core.named_parents(p_request.params)) with ordinality as n (id, place)
      join public.tasks as t on t.id = n.id
    union all
    select 2, 1, case when fairlane_core.is_uuid(p_request.params ->> 'project_id') then (p_request.params ->> 'project_id')::uuid end
    union all
    -- A dependency of another owner can never be met.
    select 3, d.place, t.project_id
    from unnest(p_request.depends_on) with ordinality as d (id, place)
      join public.tasks as t on t.id = d.id
    union all
    select 4, 1, (array_agg(o.id))[1]
    from public.projects as o
    where o.user_id = p_caller.user_id
      and o.deleted_at is null
      and not v_is_service
      and not (select s.registers_owners from fairlane_core.settings as s)
    having count(*) = 1
  ) as l
    join public.projects as p on p.id = l.project_id
  where (v_is_service or p.user_id = p_caller.user_id)
    and p.deleted_at is null
  order by l.source, l.place
  limit 1;
  return v_project;
end;
$$;

create function fairlane_core.task_for_request(p_caller fairlane_core.caller, p_request fairlane_core.task_request)
returns public.tasks language plpgsql stable security invoker set search_path = '' as $$
declare
  v_task public.tasks;
begin
  select t.* into v_task from public.tasks as t where t.id = p_request.task_id;

  -- Reveals only that the id is taken, which an insert would reveal too.
  if v_task.user_id <> p_request.owner_id or (v_task.id is not null and v_task.user_id is null and p_caller.kind <> 'service') then
    perform fairlane_core.refuse(
      409, 'TASK_ID_TAKEN',
      pg_catalog.format('The task id %s cannot be used', p_request.task_id),
      'Choose a new random id'
    );
  end if;

  if v_task.id is null and p_request.idempotency_key is not null then
    select t.*
    into v_task
    from public.tasks as t
    where t.user_id = p_request.owner_id
      and t.idempotency_key = p_request.idempotency_key;
  end if;
  return v_task;
end;
$$;

create function fairlane_core.note_unused_fields(p_caller jsonb, p_endpoint text, p_counts jsonb)
returns void language plpgsql volatile security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_kept_for constant interval := interval '30 days';
  v_most constant integer := 500;
begin
  perform fairlane_core.resolve_caller(p_caller, array['service']);

  delete from fairlane_core.unused_fields as u
  where u.last_at < v_now - v_kept_for;

  insert into fairlane_core.unused_fields as u (endpoint, field, calls, first_at, last_at)
  select p_endpoint, c.key, c.value::bigint, v_now, v_now
  from jsonb_each_text(p_counts) as c
  where length(c.key) <= 63
    and c.value ~ '^[0-9]{1,9}$'
    and (
      exists (select from fairlane_core.unused_fields as k where k.endpoint = p_endpoint and k.field = c.key)
      or (select count(*) from fairlane_core.unused_fields) < v_most
    )
  order by c.key -- two instances lock in the same order
  limit 50
  on conflict (endpoint, field) do update
    set calls = u.calls + excluded.calls, last_at = greatest(u.last_at, excluded.last_at);
end;
$$;

create function fairlane_core.note_unused_column(p_table text, p_column text)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_before timestamptz := v_now - interval '1 minute';
begin
  if exists (
      select from fairlane_core.unused_fields as u where u.endpoint = p_table and u.field = p_column and u.last_at > v_before
    )
    or not pg_try_advisory_xact_lock(hashtextextended('fairlane_core.unused_fields:' || p_table || ':' || p_column, 0)) then
    return;
  end if;
  insert into fairlane_core.unused_fields as u (endpoint, field, calls, first_at, last_at)
  values (p_table, p_column, 1, v_now, v_now)
  on conflict (endpoint, field) do update
    set calls = u.calls + 1, last_at = excluded.last_at
    where u.last_at <= v_before;
end;
$$;

create function fairlane_core.claim_next_task(
  p_caller jsonb,
  p_worker_id text,
  p_run_type text,
  p_claim_id text,
  p_same_model_only boolean,
  p_max_task_wait_minutes numeric,
  p_dry_run boolean
)
returns json language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_sort = off as $$
declare
  v_pool text := coalesce(p_run_type, 'gpu');
  v_now timestamptz;
  v_old_before timestamptz;
  v_has_open boolean;
  v_reply json;
begin
  if p_caller ->> 'kind' = 'service' and length(p_worker_id) between 1 and 255 and not starts_with(p_worker_id, 'token:') and v_pool = any (fairlane_core.pools())
    and coalesce(length(p_claim_id) <= 255, true) and not p_dry_run then
    -- The same claim twice at once, or two under one name: the second waits, in claim_general. Locks in the same order
    -- as there (fairlane_core.repeat_claim, fairlane_core.redeliver_held_task), because those taken here stay held
    -- meanwhile.
    if (p_claim_id is null or pg_try_advisory_xact_lock(hashtextextended('fairlane_core.claim:' || p_worker_id || ':' || p_claim_id, 0)))
      and pg_try_advisory_xact_lock(hashtextextended('fairlane_core.holder::' || p_worker_id, 0)) then
      select
        pg_catalog.now() + c.clock_offset,
        pg_catalog.now() + c.clock_offset - c.stale_after,
        exists (select from fairlane_core.user_queues as l where l.pool = v_pool and l.is_open)
      into v_now, v_old_before, v_has_open
      from fairlane_core.settings as c
      where not exists (
          select
          from public.workers as w
          where w.id = p_worker_id
            and (w.current_model is not null or w.status = 'terminating' or fairlane_core.has_ended(w.status))
        )
        and (
          case v_pool when 'gpu' then c.gpu_tasks_per_worker else c.api_tasks_per_worker end is null
          or p_worker_id = any (c.shared_worker_ids)
          or not (
            exists (select from public.tasks as t where t.worker_id = p_worker_id and t.status = 'In Progress')
            or exists (select from fairlane_core.held_slots as h where h.worker_id = p_worker_id and h.let_go_at is null)
          )
        )
        and v_pool <> all (c.paused_pools)
        -- No type change is pending: every task is derived from its current type.
        and not exists (select from fairlane_core.deferred_work as w where w.task_type is not null)
        -- Nothing is due, or nothing that a claim would release. The second check is rarely reached. Ordered by due
        -- time, which only one index provides, whatever the statistics.
        and (
          coalesce(
            (select t.available_at from public.tasks as t where t.readiness = 'not_yet' order by t.available_at limit 1)
              > pg_catalog.now() + c.clock_offset,
            true
          )
          or cardinality(fairlane_core.owners_to_release(v_pool)) = 0
        );
    end if;
  end if;

  -- If a claim_id was used before, the start itself notices below; where it would not, the general claim decides.
  if v_now is null or (p_claim_id is not null and not v_has_open) then
    return fairlane_core.claim_general(
      p_caller, p_worker_id, p_run_type, p_claim_id, p_same_model_only, p_max_task_wait_minutes, p_dry_run
    );
  elsif not v_has_open and fairlane_core.work_while_idle() = 0 then
    return null;
  end if;

  begin
    perform set_config('fairlane_core.mode', 'counts_itself', true);
    with turn as materialized (
      -- Fewest attempts first, then who has waited longest for a turn.
      select
        s.user_id, s.cloud_reason, l.ready_cloud > 0 as has_slot_tasks,
        l.ready_cloud_orchestration > 0 and s.orchestrating < s.orchestration_limit as may_orchestrate
      from fairlane_core.user_queues as l
        join fairlane_core.user_slots as s on s.user_id = l.user_id
      where l.pool = v_pool
        and l.is_open
      order by l.turn_load, l.last_served_at
      limit 1
      for no key update of s skip locked
    ),
    -- The head of the queue, among the kinds of task (orchestration or not) for which there is room.
    head as materialized (
      select h.id
      from turn as u
        cross join lateral (
          select k.id, k.attempts, k.since, k.has_bounded_params
          from (
            select s.*
            from (
              select t.id, t.attempts, t.created_at, greatest(t.created_at, t.available_at, t.released_at) as since, t.priority, t.has_bounded_params
              from public.tasks as t
              where t.user_id = u.user_id
                and t.pool = v_pool
                and t.run_type = 'cloud'
                and t.takes_slot
                and t.readiness = 'ready'
                and u.has_slot_tasks
              order by t.priority desc, t.created_at, t.id
              limit 1
              for no key update skip locked
            ) as s
            union all
            select o.*
            from (
              select t.id, t.attempts, t.created_at, greatest(t.created_at, t.available_at, t.released_at) as since, t.priority, t.has_bounded_params
              from public.tasks as t
              where t.user_id = u.user_id
                and t.pool = v_pool
                and t.run_type = 'cloud'
                and not t.takes_slot
                and t.readiness = 'ready'
                and u.may_orchestrate
              order by t.priority desc, t.created_at, t.id
              limit 1
              for no key update skip locked
            ) as o
          ) as k
          order by k.priority desc, k.created_at, k.id
          limit 1
        ) as h
      where u.cloud_reason is null
        and (h.attempts > 0 or h.since >= v_old_before)
        and h.has_bounded_params
    ),
    started as (
      update public.tasks as t
      set status = 'In Progress',
        readiness = 'active',
        worker_id = p_worker_id,
        token_id = null,
        claim_id = p_claim_id,
        lease_token = gen_random_uuid(),
        attempts = t.attempts + 1,
        claimed_at = v_now,
        generation_started_at = v_now,
        delivered_at = null,
        updated_at = v_now
      -- By key, as a scalar: for a join the planner takes an emptied table for one row
      -- (fairlane_core.lock_relatives_of).
      where t.id = (select h.id from head as h)
      returning
        t.id, t.user_id, t.task_type, t.params, t.project_id, t.lease_token, t.attempts, t.takes_slot::integer as slot
    ),
    slots as (
      update fairlane_core.user_slots as s
      set running = s.running + x.slot,
        orchestrating = s.orchestrating + 1 - x.slot,
        cloud_reason = case when s.running + x.slot >= s.task_limit then 'user_at_limit' end,
        local_reason = coalesce(s.local_reason, case when s.running + x.slot >= s.task_limit then 'user_at_limit' end)
      from started as x
      where s.user_id = (select y.user_id from started as y)
      returning
        s.user_id, s.running, s.cloud_reason, x.slot, s.running + s.orchestrating + s.remembered as turn_load,
        greatest(s.orchestration_limit - s.orchestrating, 0) as room
    ),
    -- All of the owner's queues: the task leaves one, and the number of running tasks changes in each.
    queues as (
      update fairlane_core.user_queues as l
      set ready_cloud = l.ready_cloud - case when l.pool = v_pool then s.slot else 0 end,
        ready_cloud_orchestration = l.ready_cloud_orchestration - case when l.pool = v_pool then 1 - s.slot else 0 end,
        active_cloud = l.active_cloud + case when l.pool = v_pool then s.slot else 0 end,
        active_cloud_orchestration = l.active_cloud_orchestration + case when l.pool = v_pool then 1 - s.slot else 0 end,
        running = s.running,
        turn_load = s.turn_load,
        orchestration_room = s.room,
        is_open = s.cloud_reason is null
          and (
            l.ready_cloud > case when l.pool = v_pool then s.slot else 0 end
            or (s.room > 0 and l.ready_cloud_orchestration > case when l.pool = v_pool then 1 - s.slot else 0 end)
          ),
        last_served_at = case when l.pool = v_pool then v_now else l.last_served_at end
      from slots as s
      where l.user_id = (select y.user_id from slots as y)
        and (l.pool = v_pool or l.ready_cloud + l.ready_cloud_orchestration > 0)
    ),
    event as (
      insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor)
      select x.id, x.user_id, v_now, 'Queued', 'In Progress', p_worker_id, x.attempts, 'service'
      from started as x
    )
    select json_build_object(
      'task_id', x.id,
      'task_type', x.task_type,
      'params', case when jsonb_typeof(x.params) = 'object' then x.params else jsonb_build_object('params', x.params) end,
      'project_id', x.project_id,
      'lease_token', x.lease_token,
      'attempt', x.attempts,
      'attempts', x.attempts - 1
    )
    into v_reply
    from started as x;
    perform set_config('fairlane_core.mode', '', true);

    if v_reply is null then
      raise sqlstate 'QU001' using message = 'This look found nothing; its locks are released';
    end if;
    return v_reply;
  exception when sqlstate 'QU001' or unique_violation then -- tasks_claim_id_is_used_once
    v_reply := null;
  end;

  return fairlane_core.claim_general(
    p_caller, p_worker_id, p_run_type, p_claim_id, p_same_model_only, p_max_task_wait_minutes, p_dry_run
  );
end;
$$;

create function fairlane_core.claim_general(
  p_caller jsonb,
  p_worker_id text,
  p_run_type text,
  p_claim_id text,
  p_same_model_only boolean,
  p_max_task_wait_minutes numeric,
  p_dry_run boolean
)
returns json language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token']);
  v_pool text := coalesce(p_run_type, 'gpu');
  v_holder text;
  v_now timestamptz := fairlane_core.now();
  v_affinity fairlane_core.affinity;
  v_task public.tasks;
  v_has_worked boolean := false;
begin
  if coalesce(p_worker_id, '') = '' then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'A claim needs a worker_id, and it is empty', 'Send a worker_id');
  elsif length(p_worker_id) > 255 or length(p_claim_id) > 255 then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The worker_id and the claim_id must have at most 255 characters');
  end if;
  perform fairlane_core.refuse_unknown_pool(v_pool);

  v_holder := fairlane_core.holder_name(v_caller, p_worker_id);

  -- The workers table describes the fleet: API workers are not in it, and a user's machine may choose any id.
  if v_caller.kind = 'service' and exists (select from public.workers as w where w.id = p_worker_id) then
    v_affinity := fairlane_core.affinity_of(p_worker_id, p_same_model_only, p_max_task_wait_minutes);
  end if;

  if p_dry_run then
    return fairlane_core.preview_claim(v_caller, v_pool);
  end if;

  begin
    if p_claim_id is not null then
      v_task := fairlane_core.repeat_claim(v_caller, v_holder, v_pool, p_claim_id, v_now);
      if v_task.id is not null then
        return fairlane_core.claim_reply(v_task);
      end if;
    end if;
    v_task := fairlane_core.redeliver_held_task(v_caller, v_holder, v_pool, p_claim_id, v_now);
  exception when lock_not_available then
    -- Somebody is changing what the worker holds: until the outcome is known it gets neither that task nor another one.
    perform fairlane_core.say_passed_over(1);
    return null;
  end;
  -- A worker gets back what it holds, but a paused pool hands out nothing new.
  while v_task.id is null and not exists (select from fairlane_core.settings as s where v_pool = any (s.paused_pools)) loop
    if v_caller.kind = 'token' then
      v_task := fairlane_core.take_own_task(v_caller, v_holder, v_pool, p_claim_id, v_affinity, v_now);
    else
      v_task := fairlane_core.take_next_task(v_caller, v_holder, v_pool, p_claim_id, v_affinity, v_now);
    end if;
    -- Once more if this claim has done overdue work of the queue: there may be a task now.
    exit when v_task.id is null and (v_has_worked or fairlane_core.work_while_idle() = 0);
    v_has_worked := true;
  end loop;

  -- A worker that said goodbye or crashed and now claims has come back; otherwise the next rescue would requeue what it
  -- gets here. Does not wait for its row: a heartbeat that holds it says the same.
  if v_caller.kind = 'service' and exists (
    select from public.workers as w where w.id = p_worker_id and (w.goodbye_at is not null or w.status = 'crashed')
  ) then
    update public.workers as w
    set status = 'active', metadata = fairlane_core.metadata_after_return(w)
    from (
      select x.id
      from public.workers as x
      where x.id = p_worker_id
        and (x.goodbye_at is not null or x.status = 'crashed')
      for no key update skip locked
    ) as held
    where w.id = held.id;
  end if;

  return case when v_task.id is not null then fairlane_core.claim_reply(v_task) end;
end;
$$;

create function fairlane_core.claim_reply(p_task public.tasks)
returns json language plpgsql immutable security invoker set search_path = '' as $$
begin
  return json_build_object(
    'task_id', p_task.id,
    'task_type', p_task.task_type,
    'params', case when jsonb_typeof(p_task.params) = 'object' then p_task.params else jsonb_build_object('params', p_task.params) end,
    'project_id', p_task.project_id,
    'lease_token', p_task.lease_token,
    'attempt', p_task.attempts,
    -- Failures so far: deployed workers decide by this number when to give up.
    'attempts', greatest(p_task.attempts - (p_task.status = 'In Progress')::integer, 0)
  );
end;
$$;

create function fairlane_core.work_while_idle()
returns integer language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_done json;
begin
  if exists (select from fairlane_core.deferred_work) then
    v_done := fairlane_core.settle_deferred(100, false);
    if (v_done ->> 'settled')::integer > 0 then
      return (v_done ->> 'settled')::integer;
    end if;
  end if;
  return fairlane_core.rescue_when_late();
end;
$$;

create function fairlane_core.release_due_tasks(p_pool text, p_caller fairlane_core.caller)
returns integer language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_batch constant integer := 100;
  v_now timestamptz := fairlane_core.now();
  v_owners uuid[];
  v_due uuid[];
begin
  if p_caller.user_id is null then
    v_owners := fairlane_core.owners_to_release(p_pool);
  else
    v_owners := array(
      select s.user_id from fairlane_core.user_slots as s where s.user_id = p_caller.user_id and s.local_reason is null
    );
  end if;
  if cardinality(v_owners) = 0 then
    return 0;
  end if;

  v_owners := array(
    select s.user_id from fairlane_core.user_slots as s where s.user_id = any (v_owners) order by s.user_id for no key update skip locked
  );
  v_due := array(
    select d.id
    from unnest(v_owners) as o (user_id)
      cross join unnest(case when p_caller.user_id is null then array['cloud'] else array['cloud', 'local'] end) as y (run_type)
      cross join lateral (
        select t.id
        from public.tasks as t
        where t.user_id = o.user_id
          and t.pool = p_pool
          and t.run_type = y.run_type
          and t.readiness = 'not_yet'
          and t.available_at <= v_now
        order by t.priority desc, t.available_at
        limit greatest(v_batch / cardinality(v_owners), 1)
        for no key update skip locked
      ) as d
  );
  if v_owners <> '{}' then
    v_due := v_due || array(
      select t.id
      from public.tasks as t
      where t.id = any (array(
          select d.id
          from fairlane_core.own_gpu_due(p_caller, p_pool, 1000) as d
          order by d.priority desc, d.available_at
          limit v_batch
        ))
        and coalesce(t.readiness, '') = 'not_yet' -- spelled so that no index on readiness is used for these few
      for no key update skip locked
    );
  end if;

  if cardinality(v_due) > 0 then
    perform fairlane_core.recompute_readiness(v_due);
  end if;
  return cardinality(v_due);
end;
$$;

create function fairlane_core.owners_to_release(p_pool text)
returns uuid[] language plpgsql stable security invoker set search_path = '' as $$
declare
  v_few constant integer := 100;
  v_now timestamptz := fairlane_core.now();
  v_due integer;
  v_owners uuid[];
begin
  select count(*), array_agg(distinct d.user_id) filter (where d.pool = p_pool and d.run_type = 'cloud')
  into v_due, v_owners
  from (
    select t.user_id, t.pool, t.run_type
    from public.tasks as t
    where t.readiness = 'not_yet'
      and t.available_at <= v_now
    order by t.available_at
    limit v_few
  ) as d;

  if v_due < v_few then
    return array(
      select s.user_id from fairlane_core.user_slots as s where s.user_id = any (v_owners) and s.cloud_reason is null
    );
  end if;

  -- Many are due at once. The earliest may all belong to one owner, so read owner by owner, in turn.
  return array(
    select s.user_id
    from fairlane_core.blocked_tasks as b
      join fairlane_core.user_slots as s on s.user_id = b.user_id
      left join fairlane_core.user_queues as l on l.user_id = b.user_id and l.pool = p_pool
    where b.pool = p_pool
      and b.reason = 'not_yet'
      and b.is_cloud
      and b.task_count > 0
      and s.cloud_reason is null
      -- In the order of the one suitable index: without an order the planner may choose another.
      and (
        select true
        from public.tasks as t
        where t.user_id = b.user_id
          and t.pool = p_pool
          and t.run_type = 'cloud'
          and t.readiness = 'not_yet'
          and t.available_at <= v_now
        order by t.priority desc, t.available_at
        limit 1
      )
    order by s.running + s.orchestrating + s.remembered, l.last_served_at
    limit v_few
  );
end;
$$;

create function fairlane_core.fresh_in_queue(
  p_user_id uuid, p_pool text, p_run_type text, p_takes_slot boolean, p_look_at integer, p_limit integer
)
returns setof uuid language plpgsql stable security invoker set search_path = '' set enable_sort = off set enable_bitmapscan = off as $$
declare
  v_old_before timestamptz := fairlane_core.stale_before();
  v_priority integer := 2147483647;
  v_found uuid[];
begin
  v_found := array(
    select l.id
    from (
      select t.id, t.attempts, t.claimed_at, t.params, greatest(t.created_at, t.available_at, t.released_at) as since
      from public.tasks as t
      where t.user_id = p_user_id
        and t.pool = p_pool
        and t.run_type = p_run_type
        and t.takes_slot = p_takes_slot
        and t.readiness = 'ready'
      order by t.priority desc, t.created_at, t.id
      limit p_look_at
    ) as l
    where l.attempts > 0
      or l.since >= v_old_before
      or not fairlane_core.is_stale(l.since, l.attempts > 0 or l.claimed_at is not null, l.params)
    limit p_limit
  );

  while cardinality(v_found) < p_limit loop
    select t.priority
    into v_priority
    from public.tasks as t
    where t.user_id = p_user_id
      and t.pool = p_pool
      and t.run_type = p_run_type
      and t.takes_slot = p_takes_slot
      and t.readiness = 'ready'
      and t.priority <= v_priority
    order by t.priority desc, t.created_at, t.id
    limit 1;
    exit when v_priority is null;

    v_found := v_found || array(
      select t.id
      from public.tasks as t
      where t.user_id = p_user_id
        and t.pool = p_pool
        and t.run_type = p_run_type
        and t.takes_slot = p_takes_slot
        and t.readiness = 'ready'
        and t.priority = v_priority
        and t.created_at >= v_old_before
        and t.id <> all (v_found)
      order by t.created_at, t.id
      limit p_limit - cardinality(v_found)
    );
    exit when v_priority = -2147483648;
    v_priority := v_priority - 1;
  end loop;
  return query select f.id from unnest(v_found) as f (id);
end;
$$;

create function fairlane_core.take_own_task(p_caller fairlane_core.caller, p_worker_id text, p_pool text, p_claim_id text, p_affinity fairlane_core.affinity, p_now timestamptz)
returns public.tasks language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_task_id uuid;
  v_is_held boolean := true;
  v_is_locked boolean;
  v_holder text;
  v_wait_since timestamptz;
  v_unfit_id uuid;
  v_unfit_count integer := 0;
  v_task public.tasks;
begin
  -- Checked without a lock first: an idle poll writes nothing, not even a lock. Counting is skipped if one index probe
  -- shows that there is something, or that there can be nothing.
  if exists (select from fairlane_core.user_slots as s where s.user_id = p_caller.user_id and s.local_reason is not null) then
    return v_task;
  elsif not exists (
    select
    from fairlane_core.own_gpu_queue(p_caller, p_pool, 1) as t
    where not fairlane_core.is_stale(greatest(t.created_at, t.available_at, t.released_at), t.attempts > 0 or t.claimed_at is not null, t.params)
      and not fairlane_core.is_behind_its_type(t.task_type, t.pool, t.takes_slot, t.runs_on_own_gpu, t.readiness)
  ) and fairlane_core.claimable_count(p_caller, p_pool) = 0 then
    return v_task;
  end if;

  perform fairlane_core.release_due_tasks(p_pool, p_caller);

  loop
    begin
      v_holder := fairlane_core.holder_of_slots(p_caller.user_id);
      v_wait_since := coalesce(v_wait_since, clock_timestamp());
      v_is_locked := false;
      v_is_locked := fairlane_core.wait_for_owner(p_caller.user_id);
      if v_is_locked then
        select h.task_id, h.is_held
        into v_task_id, v_is_held
        from fairlane_core.lock_queue_head(p_caller.user_id, p_pool, p_caller, p_affinity) as h;
      end if;
      exit;
    exception
      when sqlstate 'QU002' then
        v_unfit_id := sqlerrm::uuid;
      when lock_not_available then
        if v_is_locked then
          raise;
        end if;
        exit when not fairlane_core.may_wait_again(p_caller.user_id, v_holder, v_wait_since);
        continue;
    end;

    -- A few heads that cannot be handed out are ended on the way, each after releasing the user's lock.
    v_unfit_count := v_unfit_count + 1;
    exit when not fairlane_core.end_unfit_task(v_unfit_id) or v_unfit_count >= 5;
    v_wait_since := null;
  end loop;

  if v_task_id is not null then
    v_task := fairlane_core.start_task(v_task_id, p_worker_id, p_caller.token_id, p_claim_id, p_now);
  else
    perform fairlane_core.say_passed_over(v_is_held::integer);
  end if;
  return v_task;
end;
$$;

create function fairlane_core.own_gpu_queue(p_caller fairlane_core.caller, p_pool text, p_limit integer, p_is_paused boolean default false)
returns setof public.tasks language plpgsql stable security invoker set search_path = '' set enable_sort = off as $$
begin
  if p_pool = 'gpu' and p_caller.user_id is not null then
    return query
    select h.*
    from unnest(fairlane_core.pools()) as p (pool)
      cross join unnest(case p_caller.kind when 'token' then array['cloud', 'local'] else array['local'] end) as y (run_type)
      cross join lateral (
        select t.*
        from public.tasks as t
        where t.user_id = p_caller.user_id
          and t.pool = p.pool
          and t.readiness = 'ready'
          and t.run_type = y.run_type
          and t.runs_on_own_gpu
        order by t.priority desc, t.created_at, t.id
        limit p_limit
      ) as h
    where p.pool <> 'gpu'
      and (p.pool = any ((select s.paused_pools from fairlane_core.settings as s)::text[])) = p_is_paused;
  end if;
end;
$$;

create function fairlane_core.own_gpu_due(p_caller fairlane_core.caller, p_pool text, p_limit integer)
returns setof public.tasks language plpgsql stable security invoker set search_path = '' set enable_sort = off set enable_incremental_sort = off as $$
begin
  if p_pool = 'gpu' and p_caller.user_id is not null then
    return query
    select t.*
    from public.tasks as t
    where t.user_id = p_caller.user_id
      and t.readiness = 'not_yet'
      and t.runs_on_own_gpu
      and t.available_at <= fairlane_core.now()
      and (p_caller.kind = 'token' or t.run_type = 'local')
    -- By id as well: only the index of the owner's tasks has this order, not the index of all due tasks.
    order by t.available_at, t.id
    limit p_limit;
  end if;
end;
$$;

create function fairlane_core.leave_orchestration(p_worker_id text, p_token_id uuid, p_pool text, p_but uuid default null)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_task_id uuid;
  v_task public.tasks;
begin
  for v_task_id in
    -- Sorted separately: claims disable sorts, and an index in this order would be a bad way to find what a worker
    -- holds.
    with held as materialized (
      select t.id, t.user_id
      from public.tasks as t
      where t.worker_id = p_worker_id
        and t.status = 'In Progress'
        and t.token_id is not distinct from p_token_id
        and t.pool = p_pool
        and not t.takes_slot
        and t.id is distinct from p_but
        and not fairlane_core.is_handed_over(t.id, t.lease_token)
    )
    select h.id from held as h order by h.user_id, h.id
  loop
    -- The task before its owner, as everywhere.
    select t.* into v_task from public.tasks as t where t.id = v_task_id for no key update skip locked;
    continue when v_task.id is null;
    perform from fairlane_core.user_slots as s where s.user_id = v_task.user_id for no key update skip locked;
    continue when not found;
    if v_task.readiness = 'active' and v_task.worker_id = p_worker_id and v_task.token_id is not distinct from p_token_id
      and not v_task.takes_slot and not fairlane_core.is_handed_over(v_task.id, v_task.lease_token) then
      perform fairlane_core.hand_over(v_task);
    end if;
  end loop;
end;
$$;

create function fairlane_core.first_open_user(p_pool text, p_passed_over uuid[])
returns uuid language plpgsql stable security invoker set search_path = '' as $$
begin
  -- A sort would read all user queues; the first of the index is enough, as in the look before.
  return (
    select l.user_id
    from fairlane_core.user_queues as l
    where l.pool = p_pool
      and l.is_open
      and l.user_id <> all (p_passed_over)
    order by l.turn_load, l.last_served_at
    limit 1
  );
end;
$$;

create function fairlane_core.wait_for_owner(p_user_id uuid)
returns boolean language plpgsql volatile security invoker set search_path = '' set lock_timeout = '120ms' as $$
begin
  -- To get a row one may wait twice: behind other waiters, then for the holder.
  perform fairlane_core.limit_lock_waits(0.5);
  perform from fairlane_core.user_slots as s where s.user_id = p_user_id for no key update;
  return found;
end;
$$;

create function fairlane_core.holder_of_slots(p_user_id uuid)
returns text language plpgsql volatile security invoker set search_path = '' as $$
begin
  return (select s.xmin::text || ' ' || s.xmax::text from fairlane_core.user_slots as s where s.user_id = p_user_id);
end;
$$;

create function fairlane_core.may_wait_again(p_user_id uuid, p_holder text, p_since timestamptz)
returns boolean language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_max_wait interval := (select s.max_lock_wait from fairlane_core.settings as s);
begin
  return case
    -- Half of the time is left if there were no other waiters.
    when fairlane_core.holder_of_slots(p_user_id) is not distinct from p_holder then clock_timestamp() <= p_since + 0.6 * v_max_wait
    -- Somebody else got it. Again, so that nobody always comes last, but not for ever.
    else clock_timestamp() <= p_since + 20 * v_max_wait
  end;
end;
$$;

create function fairlane_core.owners_held(p_pool text, p_passed_over uuid[])
returns integer language plpgsql stable security invoker set search_path = '' as $$
begin
  return (
    select count(*)
    from (
      select l.user_id
      from fairlane_core.user_queues as l
      where l.pool = p_pool
        and l.is_open
        and l.user_id <> all (p_passed_over)
      union
      select t.user_id
      from public.tasks as t
        join fairlane_core.user_slots as s on s.user_id = t.user_id
      where t.readiness = 'not_yet'
        and t.available_at <= fairlane_core.now()
        and t.pool = p_pool
        and t.run_type = 'cloud'
        and s.cloud_reason is null
    ) as o
  );
end;
$$;

create function fairlane_core.say_passed_over(p_count integer)
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  if p_count > 0 then
    perform set_config(
      'response.headers',
      (
        coalesce(nullif(current_setting('response.headers', true), '')::jsonb, '[]')
          || jsonb_build_array(jsonb_build_object('x-fairlane-passed-over', p_count::text))
      )::text,
      true
    );
  end if;
end;
$$;

create function fairlane_core.repeat_claim(p_caller fairlane_core.caller, p_worker_id text, p_pool text, p_claim_id text, p_now timestamptz)
returns public.tasks language plpgsql volatile security invoker set search_path = '' set lock_timeout = '120ms' as $$
declare
  v_task public.tasks;
  v_locked public.tasks;
begin
  -- The same request twice at once: the second waits for the first.
  perform fairlane_core.wait_for_name(
    'fairlane_core.claim:' || p_worker_id || ':' || p_claim_id, pg_catalog.format('claim_id %s', p_claim_id)
  );

  select t.*
  into v_task
  from public.tasks as t
  where t.worker_id = p_worker_id
    and t.claim_id = p_claim_id
    and t.token_id is not distinct from p_caller.token_id;

  if v_task.status <> 'In Progress' then
    perform fairlane_core.refuse(
      409, 'CLAIM_ID_USED',
      pg_catalog.format('claim_id %s was already answered, with a task that has ended since', p_claim_id),
      'Use a new claim_id for a new claim'
    );
  elsif v_task.id is not null and not fairlane_core.is_served_by(p_caller, p_pool, v_task.pool, v_task.runs_on_own_gpu, v_task.run_type) then
    perform fairlane_core.refuse(
      409, 'CLAIM_ID_USED',
      pg_catalog.format('claim_id %s was already answered, with a task of the pool %s', p_claim_id, v_task.pool),
      'Use a new claim_id for a claim of another pool'
    );
  elsif fairlane_core.is_handed_over(v_task.id, v_task.lease_token) then
    perform fairlane_core.refuse(
      409, 'CLAIM_ID_USED',
      pg_catalog.format('claim_id %s was already answered, with an orchestrator that needs no worker any more', p_claim_id),
      'Use a new claim_id for a new claim'
    );
  elsif v_task.id is null then
    return null;
  end if;

  -- Does not wait for another holder of the row: then this repeat is not counted. The wait for the owner when the task
  -- ends is short (fairlane_core.claim_general).
  perform fairlane_core.limit_lock_waits(0.5);
  select t.*
  into v_locked
  from public.tasks as t
  where t.id = v_task.id
    and t.lease_token = v_task.lease_token
    and t.status = 'In Progress'
  for no key update skip locked;

  if v_locked.id is null then
    select t.*
    into v_task
    from public.tasks as t
    where t.id = v_task.id
      and t.worker_id = p_worker_id
      and t.claim_id = p_claim_id
      and t.status = 'In Progress';
    return v_task;
  end if;

  perform fairlane_core.set_event_context(fairlane_core.caller_name(p_caller));
  if v_locked.claim_repeats < (select s.max_uncounted_releases from fairlane_core.settings as s)
    -- A request may be delayed on its way, but not by this much.
    and (v_locked.delivered_at is null or v_locked.claimed_at > p_now - interval '1 minute') then
    update public.tasks as t
    set claim_repeats = t.claim_repeats + 1
    where t.id = v_locked.id
    returning t.* into v_task;
  else
    v_task := fairlane_core.start_again(v_locked, p_claim_id, p_now, 'repeated its claim again and again');
  end if;
  perform fairlane_core.set_event_context(null);
  return v_task;
end;
$$;

create function fairlane_core.redeliver_held_task(
  p_caller fairlane_core.caller, p_worker_id text, p_pool text, p_claim_id text, p_now timestamptz
)
returns public.tasks language plpgsql volatile security invoker set search_path = '' set lock_timeout = '120ms' as $$
declare
  v_limit integer;
  v_held_count integer;
  v_held_id uuid;
  v_lost_id uuid;
  v_held public.tasks;
begin
  select case p_pool when 'gpu' then s.gpu_tasks_per_worker else s.api_tasks_per_worker end
  into v_limit
  from fairlane_core.settings as s
  where fairlane_core.sent_name(p_worker_id) <> all (s.shared_worker_ids);

  if v_limit is null then
    return null;
  end if;

  -- Two claims at once under one name: the second waits here and then sees what the first got.
  perform fairlane_core.wait_for_name(
    'fairlane_core.holder::' || p_worker_id, pg_catalog.format('Another claim of worker %s', fairlane_core.sent_name(p_worker_id))
  );

  select count(*), (array_agg(t.id order by t.claimed_at, t.id))[1]
  into v_held_count, v_held_id
  from public.tasks as t
  where t.worker_id = p_worker_id
    and t.status = 'In Progress'
    and t.token_id is not distinct from p_caller.token_id
    and fairlane_core.is_served_by(p_caller, p_pool, t.pool, t.runs_on_own_gpu, t.run_type)
    and t.takes_slot;

  -- A worker that runs one task at a time and claims again has let go of what others ended, and no longer orchestrates.
  -- But it may never have heard of the last orchestration task it was handed.
  if v_limit = 1 then
    if v_held_count = 0 then
      v_lost_id := fairlane_core.stalled_orchestration(p_worker_id, p_caller.token_id, p_pool);
    end if;
    perform fairlane_core.let_go_of(p_worker_id, p_caller.token_id, p_pool, null);
    perform fairlane_core.leave_orchestration(p_worker_id, p_caller.token_id, p_pool, v_lost_id);
  end if;

  if v_held_count < v_limit and v_lost_id is null then
    return null;
  end if;

  -- The task may be ending right now; then the worker no longer holds it. Does not wait for whoever keeps it or its
  -- owner locked (fairlane_core.claim_general).
  perform fairlane_core.limit_lock_waits(0.5);
  select t.*
  into v_held
  from public.tasks as t
  where t.id = coalesce(v_lost_id, v_held_id)
    and t.status = 'In Progress'
    and t.worker_id = p_worker_id
  for no key update;

  if v_held.id is null then
    return null;
  elsif v_lost_id is not null
    and fairlane_core.stalled_orchestration(p_worker_id, p_caller.token_id, p_pool) is distinct from v_lost_id then
    -- It was named meanwhile.
    perform fairlane_core.leave_orchestration(p_worker_id, p_caller.token_id, p_pool);
    return null;
  end if;

  perform fairlane_core.set_event_context(fairlane_core.caller_name(p_caller));
  if v_held.delivered_at is null and v_held.uncounted_releases < (select s.max_uncounted_releases from fairlane_core.settings as s) then
    update public.tasks as t
    set lease_token = gen_random_uuid(), claim_id = p_claim_id, claimed_at = p_now, uncounted_releases = t.uncounted_releases + 1
    where t.id = v_held.id
    returning t.* into v_held;
  else
    v_held := fairlane_core.start_again(v_held, p_claim_id, p_now, 'claimed again');
  end if;
  perform fairlane_core.set_event_context(null);
  return v_held;
end;
$$;

create function fairlane_core.stalled_orchestration(p_worker_id text, p_token_id uuid, p_pool text)
returns uuid language plpgsql stable security invoker set search_path = '' as $$
begin
  return (
    -- Found separately: claims disable sorts, and an index in this order would be a bad way to find what a worker
    -- holds.
    with held as materialized (
      select t.id, t.claimed_at
      from public.tasks as t
      where t.worker_id = p_worker_id
        and t.status = 'In Progress'
        and t.token_id is not distinct from p_token_id
        and t.pool = p_pool
        and not t.takes_slot
        and t.delivered_at is null
        and not fairlane_core.is_handed_over(t.id, t.lease_token)
        and not fairlane_core.is_waiting_for_children(t)
        -- As a scalar: an anti-join would be planned over all tasks.
        and (
          select true
          from fairlane_core.subtasks as s
            join public.tasks as c on c.id = s.task_id
          where s.orchestrator_id = t.id
            and c.created_at >= t.claimed_at
          limit 1
        ) is null
    )
    select h.id from held as h order by h.claimed_at desc, h.id limit 1
  );
end;
$$;

create function fairlane_core.start_again(p_held public.tasks, p_claim_id text, p_now timestamptz, p_what text)
returns public.tasks language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_reason text;
  v_task public.tasks;
begin
  if p_held.attempts < fairlane_core.starts_allowed(p_held) then
    update public.tasks as t
    set claim_id = p_claim_id,
      lease_token = gen_random_uuid(),
      attempts = t.attempts + 1,
      claimed_at = p_now,
      generation_started_at = p_now,
      delivered_at = null,
      seen_at = null,
      is_beaten_for = false
    where t.id = p_held.id
    returning t.* into v_task;
    return v_task;
  end if;

  v_reason := coalesce(fairlane_core.told_reason(p_held), pg_catalog.format(
    'Given up after %s attempts: worker %s %s without finishing it', p_held.attempts, fairlane_core.sent_name(p_held.worker_id), p_what
  ));
  perform set_config('fairlane_core.mode', 'let_go:' || p_held.id, true);
  update public.tasks as t
  set status = 'Failed',
    error_message = v_reason,
    output_location = v_reason,
    claim_id = nullif(t.claim_id, p_claim_id) -- freed: this claim goes on under it
  where t.id = p_held.id;
  perform set_config('fairlane_core.mode', '', true);
  return null;
end;
$$;

create function fairlane_core.start_task(p_task_id uuid, p_worker_id text, p_token_id uuid, p_claim_id text, p_now timestamptz)
returns public.tasks language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_task public.tasks;
  v_slots fairlane_core.user_slots;
  v_slot integer;
  v_cloud integer;
  v_by_key integer;
  v_turn_load integer;
  v_room integer;
begin
  perform set_config('fairlane_core.mode', 'counts_itself', true);
  update public.tasks as t
  set status = 'In Progress',
    readiness = 'active',
    worker_id = p_worker_id,
    token_id = p_token_id,
    claim_id = p_claim_id,
    lease_token = gen_random_uuid(),
    attempts = t.attempts + 1,
    claimed_at = p_now,
    generation_started_at = p_now,
    delivered_at = null,
    updated_at = p_now
  where t.id = p_task_id
  returning t.* into v_task;
  perform set_config('fairlane_core.mode', '', true);

  v_slot := v_task.takes_slot::integer;
  update fairlane_core.user_slots as s
  set running = s.running + v_slot,
    orchestrating = s.orchestrating + 1 - v_slot,
    cloud_reason = fairlane_core.with_limit(s.cloud_reason, s.running + v_slot, s.task_limit),
    local_reason = fairlane_core.with_limit(s.local_reason, s.running + v_slot, s.task_limit)
  where s.user_id = v_task.user_id
  returning s.* into v_slots;
  v_turn_load := v_slots.running + v_slots.orchestrating + v_slots.remembered;
  v_room := greatest(v_slots.orchestration_limit - v_slots.orchestrating, 0);

  -- All of the owner's queues: the task leaves one, and the number of running tasks changes in each.
  v_cloud := (v_task.run_type = 'cloud')::integer;
  v_by_key := (p_token_id is null)::integer;
  update fairlane_core.user_queues as l
  set ready_cloud = l.ready_cloud - v_cloud * v_slot,
    ready_cloud_orchestration = l.ready_cloud_orchestration - v_cloud * (1 - v_slot),
    ready_local = l.ready_local - (1 - v_cloud) * v_slot,
    ready_local_orchestration = l.ready_local_orchestration - (1 - v_cloud) * (1 - v_slot),
    active_cloud = l.active_cloud + v_by_key * v_slot,
    active_cloud_orchestration = l.active_cloud_orchestration + v_by_key * (1 - v_slot),
    active_local = l.active_local + (1 - v_by_key) * v_slot,
    active_local_orchestration = l.active_local_orchestration + (1 - v_by_key) * (1 - v_slot),
    running = v_slots.running,
    turn_load = v_turn_load,
    orchestration_room = v_room,
    is_open = v_slots.cloud_reason is null
      and (
        l.ready_cloud - v_cloud * v_slot > 0
        or (v_room > 0 and l.ready_cloud_orchestration - v_cloud * (1 - v_slot) > 0)
      ),
    last_served_at = case when p_token_id is null then p_now else l.last_served_at end
  where l.user_id = v_task.user_id
    and l.pool = v_task.pool;

  update fairlane_core.user_queues as l
  set running = v_slots.running,
    turn_load = v_turn_load,
    orchestration_room = v_room,
    is_open = v_slots.cloud_reason is null and (l.ready_cloud > 0 or v_room > 0)
  where l.user_id = v_task.user_id
    and l.pool <> v_task.pool
    and l.ready_cloud + l.ready_cloud_orchestration > 0;

  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor)
  values (
    v_task.id, v_task.user_id, p_now, 'Queued', 'In Progress', p_worker_id, v_task.attempts,
    coalesce('token:' || p_token_id, 'service')
  );

  return v_task;
end;
$$;

create function fairlane_core.lock_queue_head(
  p_user_id uuid,
  p_pool text,
  p_caller fairlane_core.caller,
  p_affinity fairlane_core.affinity,
  out task_id uuid,
  out has_written boolean,
  out is_held boolean
) language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_slots fairlane_core.user_slots;
  v_head record;
  v_only_suited boolean;
  v_before public.tasks;
  v_own_id uuid;
  -- Types that have changed while not all of their tasks are derived again.
  v_is_behind boolean := exists (select from fairlane_core.deferred_work as w where w.task_type is not null);
begin
  has_written := false;
  is_held := false;
  select s.* into v_slots from fairlane_core.user_slots as s where s.user_id = p_user_id;

  if (case when p_caller.user_id is null then v_slots.cloud_reason else v_slots.local_reason end) is not null then
    return;
  end if;

  loop
    select h.id, h.created_at, h.available_at, h.released_at, h.attempts, h.claimed_at, h.params, h.has_bounded_params
    into v_head
    from (
      select c.* from fairlane_core.queue_heads(p_user_id, p_pool, 'cloud', p_affinity) as c
      union all
      select l.* from fairlane_core.queue_heads(p_user_id, p_pool, 'local', p_affinity) as l where p_caller.user_id is not null
      union all
      select o.* from fairlane_core.own_gpu_queue(p_caller, p_pool, 1) as o
    ) as h
    order by
      -- What suits the caller, and a head that has waited too long, in queue order; then the rest. Every task
      -- eventually becomes head, so none waits for ever.
      (h.takes_slot and h.model <> p_affinity.model and h.created_at >= p_affinity.waited_since) is true,
      h.priority desc, h.created_at, h.id
    limit 1;

    if v_head.id is null then
      return;
    elsif fairlane_core.is_stale(greatest(v_head.created_at, v_head.available_at, v_head.released_at), v_head.attempts > 0 or v_head.claimed_at is not null, v_head.params)
      or v_is_behind and (
        select fairlane_core.is_behind_its_type(t.task_type, t.pool, t.takes_slot, t.runs_on_own_gpu, t.readiness) from public.tasks as t where t.id = v_head.id
      ) then
      -- The queue has grown stale while it waited, or its types have changed: set a batch aside and try once more.
      if not has_written then
        perform fairlane_core.set_tasks_aside(p_caller, p_user_id, p_pool, v_is_behind);
        has_written := true;
        continue;
      end if;
      v_head.id := null;
    elsif not fairlane_core.fits_a_reply(v_head.has_bounded_params, v_head.params) then
      -- The caller ends this task after releasing the user's lock.
      raise sqlstate 'QU002' using message = v_head.id::text;
    end if;

    select t.id
    into task_id
    from public.tasks as t
    where t.id = v_head.id
      and t.readiness = 'ready'
    for no key update skip locked;
    exit when task_id is not null;

    -- Somebody is changing that very task, or more than one batch has to be set aside: take the first task that is
    -- neither, and first one that suits a worker that requires it.
    foreach v_only_suited in array case when p_affinity.is_required then array[true, false] else array[false] end loop
      exit when task_id is not null;
      task_id := fairlane_core.lock_fresh_task(
        p_user_id, p_pool,
        case when p_caller.user_id is null then array['cloud'] else array['cloud', 'local'] end,
        case when v_slots.orchestrating < v_slots.orchestration_limit then array[true, false] else array[true] end,
        p_affinity, v_only_suited, v_is_behind
      );
    end loop;
    -- From other pools (fairlane_core.own_gpu_queue) the first such task, if it comes earlier.
    if p_caller.user_id is not null then
      v_before := (select t from public.tasks as t where t.id = task_id);
      v_own_id := (
        select t.id
        from public.tasks as t
        where t.id = any (array(
            select l.id
            from fairlane_core.own_gpu_queue(p_caller, p_pool, 1000) as l
            where (not v_is_behind or not fairlane_core.is_behind_its_type(l.task_type, l.pool, l.takes_slot, l.runs_on_own_gpu, l.readiness))
              and not fairlane_core.is_stale(greatest(l.created_at, l.available_at, l.released_at), l.attempts > 0 or l.claimed_at is not null, l.params)
              and fairlane_core.fits_a_reply(l.has_bounded_params, l.params)
              and (v_before.id is null or (-l.priority::bigint, l.created_at, l.id) < (-v_before.priority::bigint, v_before.created_at, v_before.id))
          ))
          and coalesce(t.readiness, '') = 'ready'
        order by t.priority desc, t.created_at, t.id
        limit 1
        for no key update skip locked
      );
      task_id := coalesce(v_own_id, task_id);
    end if;
    is_held := task_id is null and v_head.id is not null and not v_is_behind;
    exit;
  end loop;
end;
$$;

create function fairlane_core.affinity_of(p_worker_id text, p_same_model_only boolean, p_max_task_wait_minutes numeric)
returns fairlane_core.affinity language plpgsql stable security invoker set search_path = '' as $$
declare
  v_worker public.workers;
  v_affinity fairlane_core.affinity;
begin
  select w.* into v_worker from public.workers as w where w.id = p_worker_id;

  -- Its own goodbye does not bind it: it has come back.
  if v_worker.status in ('terminating', 'terminated', 'error') and v_worker.goodbye_at is null then
    perform fairlane_core.refuse(
      409, 'WORKER_NOT_ELIGIBLE',
      pg_catalog.format(
        'Worker %s gets no tasks: its status is %s%s',
        p_worker_id, v_worker.status, coalesce(' (' || (v_worker.metadata ->> 'error_reason') || ')', '')
      ),
      case
        when fairlane_core.is_rented(v_worker) then 'Stop claiming; a replacement claims under an id of its own'
        else pg_catalog.format(
          'Stop claiming; a replacement claims under an id of its own. A machine that was started by hand is brought back by: select keep_worker(%L)',
          p_worker_id
        )
      end
    );
  end if;

  if v_worker.current_model is not null then
    v_affinity.model := v_worker.current_model;
    v_affinity.is_required := coalesce(p_same_model_only, false);
    v_affinity.waited_since := fairlane_core.now() - coalesce(
      make_interval(secs => (p_max_task_wait_minutes * 60)::double precision),
      (select s.max_affinity_wait from fairlane_core.settings as s)
    );
  end if;
  return v_affinity;
end;
$$;

create function fairlane_core.queue_heads(p_user_id uuid, p_pool text, p_run_type text, p_affinity fairlane_core.affinity)
returns setof public.tasks language plpgsql stable security invoker set search_path = '' as $$
declare
  -- Orchestration only if its owner has a free slot for it; else the queue goes on behind it.
  v_kinds boolean[] := (
    select case when s.orchestrating < s.orchestration_limit then array[true, false] else array[true] end
    from fairlane_core.user_slots as s
    where s.user_id = p_user_id
  );
begin
  -- Each query is one probe of an index in claim order.
  return query
  select h.*
  from unnest(v_kinds) as kind (takes_slot)
    cross join lateral (
      select t.*
      from public.tasks as t
      where t.user_id = p_user_id
        and t.pool = p_pool
        and t.run_type = p_run_type
        and t.takes_slot = kind.takes_slot
        and t.readiness = 'ready'
      order by t.priority desc, t.created_at, t.id
      limit 1
    ) as h
  order by h.priority desc, h.created_at, h.id
  limit case when p_affinity.model is null then 1 end;

  if p_affinity.model is not null then
    return query
    select t.*
    from public.tasks as t
    where t.user_id = p_user_id
      and t.pool = p_pool
      and t.run_type = p_run_type
      and t.takes_slot
      and t.readiness = 'ready'
      and t.model = p_affinity.model
    order by t.priority desc, t.created_at, t.id
    limit 1;

    return query
    select t.*
    from public.tasks as t
    where t.user_id = p_user_id
      and t.pool = p_pool
      and t.run_type = p_run_type
      and t.takes_slot
      and t.readiness = 'ready'
      and t.model is null
    order by t.priority desc, t.created_at, t.id
    limit 1;
  end if;
end;
$$;

create function fairlane_core.lock_fresh_task(
  p_user_id uuid, p_pool text, p_run_types text[], p_kinds boolean[], p_affinity fairlane_core.affinity, p_only_suited boolean,
  p_is_behind boolean
)
returns uuid language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_most_priorities constant integer := 1000; -- create-task allows twice as many, the column more
  v_old_before timestamptz := fairlane_core.stale_before();
  v_look_at integer;
  v_candidate uuid;
  v_priority integer := 2147483647;
  v_task_id uuid;
begin
  foreach v_look_at in array array[10, 1000] loop
    for v_candidate in
      select c.id
      from unnest(p_run_types) as y (run_type)
        cross join unnest(p_kinds) as k (takes_slot)
        cross join lateral (
          select l.*
          from (
            select t.*
            from public.tasks as t
            where t.user_id = p_user_id
              and t.pool = p_pool
              and t.run_type = y.run_type
              and t.takes_slot = k.takes_slot
              and t.readiness = 'ready'
            order by t.priority desc, t.created_at, t.id
            limit v_look_at
          ) as l
          where (
              not p_only_suited or not l.takes_slot or l.model is null
              or l.model = p_affinity.model or l.created_at < p_affinity.waited_since
            )
            and not fairlane_core.is_stale(greatest(l.created_at, l.available_at, l.released_at), l.attempts > 0 or l.claimed_at is not null, l.params)
            and fairlane_core.fits_a_reply(l.has_bounded_params, l.params)
            and (not p_is_behind or not fairlane_core.is_behind_its_type(l.task_type, l.pool, l.takes_slot, l.runs_on_own_gpu, l.readiness))
        ) as c
      order by c.priority desc, c.created_at, c.id
    loop
      select t.id into v_task_id from public.tasks as t where t.id = v_candidate and t.readiness = 'ready' for no key update skip locked;
      if v_task_id is not null then
        return v_task_id;
      end if;
    end loop;
  end loop;

  -- A suiting task is preferred, but not searched for through everything else.
  for v_step in 1..case when p_only_suited or p_is_behind then 0 else v_most_priorities end loop
    select h.priority
    into v_priority
    from unnest(p_run_types) as y (run_type)
      cross join unnest(p_kinds) as k (takes_slot)
      cross join lateral (
        select t.priority
        from public.tasks as t
        where t.user_id = p_user_id
          and t.pool = p_pool
          and t.run_type = y.run_type
          and t.takes_slot = k.takes_slot
          and t.readiness = 'ready'
          and t.priority <= v_priority
        order by t.priority desc, t.created_at, t.id
        limit 1
      ) as h
    order by h.priority desc
    limit 1;
    exit when v_priority is null;

    select c.id
    into v_task_id
    from unnest(p_run_types) as y (run_type)
      cross join unnest(p_kinds) as k (takes_slot)
      cross join lateral (
        select t.id, t.created_at
        from public.tasks as t
        where t.user_id = p_user_id
          and t.pool = p_pool
          and t.run_type = y.run_type
          and t.takes_slot = k.takes_slot
          and t.readiness = 'ready'
          and t.priority = v_priority
          and t.created_at >= v_old_before
          and fairlane_core.fits_a_reply(t.has_bounded_params, t.params)
        order by t.created_at, t.id
        limit 1
        for no key update skip locked
      ) as c
    order by c.created_at, c.id
    limit 1;
    if v_task_id is not null or v_priority = -2147483648 then
      return v_task_id;
    end if;
    v_priority := v_priority - 1;
  end loop;
  return null;
end;
$$;

create function fairlane_core.set_tasks_aside(p_caller fairlane_core.caller, p_user_id uuid, p_pool text, p_is_behind boolean)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_most constant integer := 100;
  v_aside uuid[];
begin
  v_aside := array(
    select t.id
    from public.tasks as t
    where t.id = any (array(
        select l.id
        from (
          select r.*
          from unnest(array['cloud', 'local']) as y (run_type)
            cross join unnest(array[true, false]) as k (takes_slot)
            cross join lateral (
              select h.*
              from public.tasks as h
              where h.user_id = p_user_id
                and h.pool = p_pool
                and h.run_type = y.run_type
                and h.takes_slot = k.takes_slot
                and h.readiness = 'ready'
              order by h.priority desc, h.created_at, h.id
              limit v_most
            ) as r
          union all
          select o.* from fairlane_core.own_gpu_queue(p_caller, p_pool, v_most) as o
        ) as l
        where fairlane_core.is_stale(greatest(l.created_at, l.available_at, l.released_at), l.attempts > 0 or l.claimed_at is not null, l.params)
          or p_is_behind and fairlane_core.is_behind_its_type(l.task_type, l.pool, l.takes_slot, l.runs_on_own_gpu, l.readiness)
        limit v_most
      ))
      -- Not spelled as in the queue indexes: the planner might scan one of them for these few.
      and coalesce(t.readiness, '') = 'ready'
    order by t.id
    for no key update skip locked
  );

  if v_aside <> '{}' then
    update public.tasks as t set pool = null where t.id = any (v_aside);
  end if;
end;
$$;

create function fairlane_core.take_next_task(p_caller fairlane_core.caller, p_worker_id text, p_pool text, p_claim_id text, p_affinity fairlane_core.affinity, p_now timestamptz)
returns public.tasks language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_old_before timestamptz := p_now - (select s.stale_after from fairlane_core.settings as s);
  v_passed_over uuid[] := array[]::uuid[];
  v_user_id uuid;
  v_task_id uuid;
  v_wait boolean := false;
  v_wait_since timestamptz;
  v_holder text;
  v_has_written boolean;
  v_is_held boolean;
  v_is_locked boolean;
  v_held_count integer := 0;
  v_unfit_id uuid;
  v_unfit_count integer := 0;
  -- A transaction that has already written may hold locks that others wait for: then this claim waits for nobody.
  v_may_wait boolean := pg_current_xact_id_if_assigned() is null;
  v_task public.tasks;
  -- Types that have changed while not all of their tasks are derived again: each head is checked.
  v_is_behind boolean := exists (select from fairlane_core.deferred_work as w where w.task_type is not null);
begin
  -- Nothing tells the queue that a task's time has come, so every claim checks. From here on owners' locks are held,
  -- even if the due tasks turn out to be held by somebody else.
  perform fairlane_core.release_due_tasks(p_pool, p_caller);
  v_may_wait := v_may_wait and pg_current_xact_id_if_assigned() is null;

  loop
    begin
      v_task_id := null;
      v_has_written := false;
      v_is_held := false;
      v_is_locked := not v_wait;
      if v_wait then
        v_user_id := fairlane_core.first_open_user(p_pool, v_passed_over);
        v_holder := fairlane_core.holder_of_slots(v_user_id);
        v_wait_since := coalesce(v_wait_since, clock_timestamp());
        v_is_locked := fairlane_core.wait_for_owner(v_user_id);
        v_wait_since := null;
      elsif p_affinity.model is not null then
        v_user_id := fairlane_core.lock_user_with_affinity(p_pool, v_passed_over, p_affinity);
      else
        with turn as materialized (
          -- Fewest attempts first, then who has waited longest for a turn.
          select
            s.user_id, s.running, s.task_limit, l.ready_cloud > 0 as has_slot_tasks,
            l.ready_cloud_orchestration > 0 and s.orchestrating < s.orchestration_limit as may_orchestrate
          from fairlane_core.user_queues as l
            join fairlane_core.user_slots as s on s.user_id = l.user_id
          where l.pool = p_pool
            and l.is_open
            and l.user_id <> all (v_passed_over)
          order by l.turn_load, l.last_served_at
          limit 1
          for no key update of s skip locked
        )
        select u.user_id, h.id
        into v_user_id, v_task_id
        from turn as u
          left join lateral (
            select k.id, k.attempts, k.since, k.has_bounded_params
            from (
              select s.*
              from (
                select t.id, t.attempts, t.created_at, greatest(t.created_at, t.available_at, t.released_at) as since, t.priority, t.has_bounded_params
                from public.tasks as t
                where t.user_id = u.user_id
                  and t.pool = p_pool
                  and t.run_type = 'cloud'
                  and t.takes_slot
                  and t.readiness = 'ready'
                  and u.has_slot_tasks
                order by t.priority desc, t.created_at, t.id
                limit 1
                for no key update skip locked
              ) as s
              union all
              select o.*
              from (
                select t.id, t.attempts, t.created_at, greatest(t.created_at, t.available_at, t.released_at) as since, t.priority, t.has_bounded_params
                from public.tasks as t
                where t.user_id = u.user_id
                  and t.pool = p_pool
                  and t.run_type = 'cloud'
                  and not t.takes_slot
                  and t.readiness = 'ready'
                  and u.may_orchestrate
                order by t.priority desc, t.created_at, t.id
                limit 1
                for no key update skip locked
              ) as o
            ) as k
            order by k.priority desc, k.created_at, k.id
            limit 1
          ) as h on u.running < u.task_limit
            and h.has_bounded_params
            and (h.attempts > 0 or h.since >= v_old_before)
            and not v_is_behind;
      end if;

      -- One statement decides the plain case; everything else is checked again under the user's lock.
      if v_user_id is not null and v_task_id is null and v_is_locked then
        select h.task_id, h.has_written, h.is_held
        into v_task_id, v_has_written, v_is_held
        from fairlane_core.lock_queue_head(v_user_id, p_pool, p_caller, p_affinity) as h;
      end if;

      if v_task_id is not null then
        return fairlane_core.start_task(v_task_id, p_worker_id, null, p_claim_id, p_now);
      elsif v_user_id is not null and v_has_written then
        v_passed_over := v_passed_over || v_user_id;
        v_held_count := v_held_count + v_is_held::integer;
        v_wait := false;
        v_may_wait := false;
      elsif v_user_id is not null and v_is_locked then
        raise sqlstate 'QU001' using message = 'This user has nothing for the caller now';
      end if;
    exception
      when sqlstate 'QU001' then
        v_passed_over := v_passed_over || v_user_id;
        v_held_count := v_held_count + v_is_held::integer;
      when sqlstate 'QU002' then
        v_unfit_id := sqlerrm::uuid;
      when lock_not_available then
        if v_is_locked then
          raise;
        end if;
        continue when fairlane_core.may_wait_again(v_user_id, v_holder, v_wait_since);
    end;

    -- Ends a few of them, and the look goes on with this user; more than that are left for the next claims.
    if v_unfit_id is not null then
      v_unfit_count := v_unfit_count + 1;
      v_is_held := not fairlane_core.end_unfit_task(v_unfit_id);
      if v_is_held or v_unfit_count >= 5 then
        v_passed_over := v_passed_over || v_user_id;
        v_held_count := v_held_count + v_is_held::integer;
      end if;
      v_unfit_id := null;
      v_wait := false;
      v_may_wait := false;
    end if;

    if not v_is_locked and v_user_id is not null then
      -- Its holder does not let go: look once more over all users.
      v_wait := false;
      v_may_wait := false;
    elsif v_user_id is null then
      exit when v_wait or not v_may_wait;
      v_wait := true;
    end if;
  end loop;

  perform fairlane_core.say_passed_over(v_held_count + fairlane_core.owners_held(p_pool, v_passed_over));
  return v_task;
end;
$$;

create function fairlane_core.lock_user_with_affinity(p_pool text, p_passed_over uuid[], p_affinity fairlane_core.affinity)
returns uuid language plpgsql volatile security invoker set search_path = '' as $$
declare
  -- How many user queues are read. A claim must not become more expensive with each user who has work.
  v_look_at constant integer := 20;
  v_user_id uuid;
begin
  if p_affinity.is_required then
    select s.user_id
    into v_user_id
    from (
      select l as queue, l.user_id, l.turn_load, l.last_served_at
      from fairlane_core.user_queues as l
      where l.pool = p_pool
        and l.is_open
        and l.user_id <> all (p_passed_over)
      order by l.turn_load, l.last_served_at
      limit v_look_at
    ) as n
      join fairlane_core.user_slots as s on s.user_id = n.user_id
    where fairlane_core.suits(n.queue, p_affinity)
    order by n.turn_load, n.last_served_at
    limit 1
    for no key update of s skip locked;
    if v_user_id is not null then
      return v_user_id;
    end if;
  end if;

  return (
    select s.user_id
    from fairlane_core.user_queues as l
      join fairlane_core.user_slots as s on s.user_id = l.user_id
    where l.pool = p_pool
      and l.is_open
      and l.user_id <> all (p_passed_over)
    order by l.turn_load, l.last_served_at
    limit 1
    for no key update of s skip locked
  );
end;
$$;

create function fairlane_core.suits(p_queue fairlane_core.user_queues, p_affinity fairlane_core.affinity)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
begin
  -- Orchestration loads no model.
  if p_queue.ready_cloud_orchestration > 0 and p_queue.orchestration_room > 0 then
    return true;
  end if;

  return exists (
    select
    from public.tasks as t
    where t.user_id = p_queue.user_id
      and t.pool = p_queue.pool
      and t.run_type = 'cloud'
      and t.model = p_affinity.model
      and t.takes_slot
      and t.readiness = 'ready'
  ) or exists (
    select
    from public.tasks as t
    where t.user_id = p_queue.user_id
      and t.pool = p_queue.pool
      and t.run_type = 'cloud'
      and t.model is null
      and t.takes_slot
      and t.readiness = 'ready'
  ) or (
    select t.created_at < p_affinity.waited_since
    from public.tasks as t
    where t.user_id = p_queue.user_id
      and t.pool = p_queue.pool
      and t.run_type = 'cloud'
      and t.takes_slot
      and t.readiness = 'ready'
    order by t.priority desc, t.created_at, t.id
    limit 1
  ) is true;
end;
$$;

create function fairlane_core.end_unfit_task(p_task_id uuid)
returns boolean language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_timeout text := current_setting('lock_timeout');
  v_reason constant text := 'Its params are too large to be handed out: written out, they have more than 8388608 characters';
begin
  perform set_config('lock_timeout', '200ms', true);
  perform fairlane_core.lock_relatives(p_task_id, 'Failed');
  perform fairlane_core.set_event_context('queue', v_reason);
  update public.tasks as t
  set status = 'Failed',
    error_message = v_reason,
    output_location = v_reason,
    params = jsonb_strip_nulls(jsonb_build_object(
      'params_too_large', pg_column_size(t.params),
      fairlane_core.parent_key(), fairlane_core.parent_task_id(t.params)
    ))
  where t.id = p_task_id
    and t.status = 'Queued'
    and not fairlane_core.fits_a_reply(t.has_bounded_params, t.params);
  perform fairlane_core.set_event_context(null);
  perform set_config('lock_timeout', v_timeout, true);
  return true;
exception
  when lock_not_available or deadlock_detected then
    return false;
end;
$$;

create function fairlane_core.mark_task_failed(
  p_caller jsonb,
  p_task_id uuid,
  p_error_message text,
  p_error_details text,
  p_retryable boolean,
  p_lease_token uuid
)
returns json language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task public.tasks := fairlane_core.lock_task_for(v_caller, p_task_id, 'Failed');
  v_reply jsonb;
begin
  if p_lease_token is not null then
    perform fairlane_core.refuse_stale_lease(v_task, p_lease_token);
  end if;

  v_reply := fairlane_core.fail_task(
    v_caller, v_task, p_error_message, p_error_details,
    p_has_lease => p_lease_token is not null, p_may_retry => coalesce(p_retryable, true)
  );

  return v_reply || jsonb_build_object(
    'will_retry', v_reply ->> 'status' = 'Queued',
    'available_at', (select t.available_at from public.tasks as t where t.id = p_task_id and t.status = 'Queued')
  );
end;
$$;

create function fairlane_core.cancel_tasks(p_caller jsonb, p_filter jsonb, p_limit integer, p_reason text)
returns json language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_limit integer := coalesce(p_limit, 1000);
  v_found uuid[];
  v_mine uuid[];
  v_reason text := fairlane_core.cut_text(nullif(p_reason, ''));
  v_cancelled integer;
begin
  perform fairlane_core.open_tables(false);
  if v_limit not between 1 and 1000 then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The limit must be 1 to 1000, not %s', p_limit));
  elsif jsonb_typeof(p_filter) is distinct from 'object' then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The filter must be a JSON object');
  end if;

  v_found := array(select f.id from fairlane_core.tasks_to_cancel_for(v_caller, p_filter, v_limit + 1) as f (id));

  -- A task that somebody is changing is left for the next call: it may be ending.
  v_mine := array(
    select t.id
    from public.tasks as t
    where t.id = any (v_found[:v_limit])
      and t.status in ('Queued', 'In Progress')
    order by t.id
    for no key update skip locked
  );

  perform fairlane_core.set_event_context(fairlane_core.caller_name(v_caller));
  update public.tasks as t
  set status = 'Cancelled',
    error_message = coalesce(v_reason, 'Cancelled on request')
  where t.id = any (v_mine);
  get diagnostics v_cancelled = row_count;
  perform fairlane_core.set_event_context(null);

  return json_build_object(
    'cancelled', v_cancelled,
    'passed_over', cardinality(v_found[:v_limit]) - v_cancelled,
    'has_more', cardinality(v_found) > v_limit
  );
end;
$$;

create function fairlane_core.tasks_to_cancel_for(p_caller fairlane_core.caller, p_filter jsonb, p_limit integer)
returns setof uuid language plpgsql stable security invoker set search_path = '' set enable_sort = off set enable_bitmapscan = off as $$
declare
  v_unknown text[];
  v_status text := coalesce(p_filter ->> 'status', 'Queued');
  v_task_type text := p_filter ->> 'task_type';
  v_user_id uuid;
  v_project_id uuid;
  v_orchestrator_id uuid;
  v_created_before timestamptz;
  v_task_ids uuid[];
  v_owners uuid[];
begin
  select array_agg(k.name order by k.name)
  into v_unknown
  from jsonb_object_keys(p_filter) as k (name)
  where k.name not in (
    'task_ids', 'status', 'task_type', 'user_id', 'project_id', 'orchestrator_task_id', 'created_before'
  );
  if v_unknown is not null or jsonb_strip_nulls(p_filter) = '{}' then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      coalesce('The filter does not know ' || array_to_string(v_unknown, ', '), 'The filter names nothing'),
      'Filter by task_ids, status (Queued or In Progress), task_type, user_id, project_id, orchestrator_task_id, created_before'
    );
  elsif v_status not in ('Queued', 'In Progress') then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT', pg_catalog.format('Only Queued and In Progress tasks are cancelled, not %s', v_status)
    );
  elsif p_filter ? 'task_ids' and jsonb_typeof(p_filter -> 'task_ids') not in ('array', 'null') then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'task_ids must be a list');
  end if;

  begin
    v_user_id := (p_filter ->> 'user_id')::uuid;
    v_project_id := (p_filter ->> 'project_id')::uuid;
    v_orchestrator_id := (p_filter ->> 'orchestrator_task_id')::uuid;
    v_created_before := (p_filter ->> 'created_before')::timestamptz;
    if jsonb_typeof(p_filter -> 'task_ids') = 'array' then
      v_task_ids := array(select distinct i.id::uuid from jsonb_array_elements_text(p_filter -> 'task_ids') as i (id) where i.id is not null);
    end if;
  exception when data_exception then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'A value of the filter is not a valid id or time: ' || sqlerrm);
  end;

  if cardinality(v_task_ids) > 1000 then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('One call takes at most 1000 task_ids, %s are named; none was cancelled', cardinality(v_task_ids)),
      'Name at most 1000 at a time'
    );
  end if;

  -- The owners who can be concerned at all.
  v_owners := case
    when p_caller.kind <> 'service' then array[p_caller.user_id]
    when v_user_id is not null then array[v_user_id]
    when v_project_id is not null then array(select p.user_id from public.projects as p where p.id = v_project_id)
    when v_orchestrator_id is not null then array(
      -- One index probe for each owner, however many children. A replaced child was replaced by a child of the same
      -- owner.
      with recursive owners (user_id) as (
        (
          select s.user_id
          from fairlane_core.subtasks as s
          where s.orchestrator_id = v_orchestrator_id
            and s.replaced_by is null
          order by s.orchestrator_id, s.user_id
          limit 1
        )
        union all
        select (
          select s.user_id
          from fairlane_core.subtasks as s
          where s.orchestrator_id = v_orchestrator_id
            and s.replaced_by is null
            and s.user_id > o.user_id
          order by s.orchestrator_id, s.user_id
          limit 1
        )
        from owners as o
        where o.user_id is not null
      )
      select o.user_id from owners as o where o.user_id is not null
    )
    when v_task_ids is null then array(
      select l.user_id from fairlane_core.user_queues as l
      union
      select b.user_id from fairlane_core.blocked_tasks as b
    )
  end;

  if v_task_ids is not null then
    return query
    select t.id
    from public.tasks as t
    where t.id = any (v_task_ids)
      and t.status = v_status
      and (v_owners is null or t.user_id = any (v_owners))
      and (v_orchestrator_id is null or exists (
        select from fairlane_core.subtasks as s where s.task_id = t.id and s.orchestrator_id = v_orchestrator_id
      ))
      and (v_task_type is null or t.task_type = v_task_type)
      and (v_user_id is null or t.user_id = v_user_id)
      and (v_project_id is null or t.project_id = v_project_id)
      and (v_created_before is null or t.created_at < v_created_before)
    limit p_limit;
    return;
  end if;

  return query
  select c.id
  from unnest(v_owners) as o (user_id)
    cross join lateral (
      select t.id
      from public.tasks as t
      where t.user_id = o.user_id
        and t.readiness is not null
        and t.status = v_status
        and (v_task_type is null or t.task_type = v_task_type)
        -- As a scalar, or all children would be read first. Children of finished orchestrators are not live.
        and (
          v_orchestrator_id is null
          or (select true from fairlane_core.subtasks as s where s.task_id = t.id and s.orchestrator_id = v_orchestrator_id limit 1)
        )
        and (v_user_id is null or t.user_id = v_user_id)
        and (v_project_id is null or t.project_id = v_project_id)
        and (v_created_before is null or t.created_at < v_created_before)
      order by left(t.task_type, 200), t.id -- the order of the index of live tasks
      limit p_limit
    ) as c
  limit p_limit;
end;
$$;

create function fairlane_core.complete_general(
  p_caller jsonb,
  p_task_id uuid,
  p_output_location text,
  p_thumbnail_url text,
  p_result_data jsonb,
  p_lease_token uuid,
  p_description text,
  p_may_describe boolean
)
returns json language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task public.tasks := fairlane_core.lock_task_for(v_caller, p_task_id, 'Complete');
  v_is_late boolean := v_task.status = 'Queued';
  -- A JSON object next to the file, or after it: how deployed workers describe a transition (docs/fleet.md).
  v_has_description boolean := fairlane_core.json_object_of(p_description) is not null;
  v_late_text text := case when v_has_description then p_description when p_may_describe then p_output_location end;
  v_late_file text;
begin
  if p_lease_token is not null then
    perform fairlane_core.refuse_stale_lease(v_task, p_lease_token);
  end if;

  if v_task.status = 'In Progress' or (v_task.status = 'Queued' and v_task.claimed_at is not null) then
    perform fairlane_core.set_event_context(
      fairlane_core.caller_name(v_caller),
      case
        when v_task.status = 'Queued' then 'completed late, after the task was requeued'
        when p_output_location is null then 'completed without an output'
      end
    );
    if fairlane_core.is_holder(v_caller, v_task) then
      perform set_config('fairlane_core.mode', 'let_go:' || v_task.id, true);
    end if;
    update public.tasks as t
    set status = 'Complete',
      output_location = case when v_has_description then p_description else p_output_location end,
      file_location = case when v_has_description then p_output_location end,
      thumbnail_url = coalesce(p_thumbnail_url, t.thumbnail_url),
      result_data = coalesce(p_result_data, t.result_data),
      error_message = null
    where t.id = v_task.id
    returning t.* into v_task;
    perform set_config('fairlane_core.mode', '', true);
    perform fairlane_core.set_event_context(null);
    if v_is_late then
      perform fairlane_core.let_go_by_report(v_caller, v_task.id);
    end if;
    return fairlane_core.task_reply(v_task);
  end if;

  if v_task.status = 'Queued' or (p_lease_token is not null and v_task.status <> 'Complete') then
    perform fairlane_core.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s and cannot become Complete', v_task.id, v_task.status),
      case when v_task.status = 'Queued' then 'Claim it first' else 'Drop this task; its end is final' end
    );
  end if;

  -- The file is stored but not described yet; the text must be about that very file.
  if v_task.status = 'Complete' and v_task.file_location is null and fairlane_core.is_holder(v_caller, v_task)
    and fairlane_core.json_object_of(v_late_text) is not null
    and fairlane_core.own_file(v_task.output_location, v_task.user_id, v_task.id) is not null then
    v_late_file := case
      when v_has_description then p_output_location
      else coalesce(
        fairlane_core.described_file(fairlane_core.json_object_of(v_late_text), v_task.user_id, v_task.id), v_task.output_location
      )
    end;
    if fairlane_core.own_file(v_late_file, v_task.user_id, v_task.id) = fairlane_core.own_file(v_task.output_location, v_task.user_id, v_task.id) then
      perform fairlane_core.record_report(v_task, v_caller, 'the result was described');
      update public.tasks as t
      set output_location = v_late_text, file_location = v_task.output_location
      where t.id = v_task.id
      returning t.* into v_task;
      return fairlane_core.task_reply(v_task);
    end if;
  end if;

  perform fairlane_core.let_go_by_report(v_caller, v_task.id);
  -- Deployed workers cannot be told apart and repeat reports by design: they get 200, and the history records it.
  perform fairlane_core.record_report(
    v_task, v_caller,
    case v_task.status when 'Complete' then 'completed again, the first result stays' else 'completed after its end, not resurrected' end,
    json_strip_nulls(json_build_object('output_location', fairlane_core.cut_ends(p_output_location)))::jsonb
  );
  return fairlane_core.task_reply(v_task);
end;
$$;

create function fairlane_core.record_report(p_task public.tasks, p_caller fairlane_core.caller, p_reason text, p_details jsonb default null)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_most constant integer := 20;
  v_counted constant text := 'further reports that changed nothing, only counted';
  v_count integer;
begin
  select count(*)
  into v_count
  from (
    select
    from public.task_events as e
    where e.task_id = p_task.id
      and e.from_status = e.to_status
      and e.to_status = p_task.status
    limit v_most + 1
  ) as k;

  if v_count >= v_most and p_details ? 'held_back' then
    update public.task_events as e
    set at = fairlane_core.now(), reason = p_reason, details = p_details
    where e.id = (
      select max(h.id)
      from public.task_events as h
      where h.task_id = p_task.id
        and h.from_status = h.to_status
        and h.worker_id = p_task.worker_id
        and h.attempt = p_task.attempts
        and h.details ? 'held_back'
        and h.id > (
          select max(s.id)
          from public.task_events as s
          where s.task_id = p_task.id
            and s.to_status = 'In Progress'
            and s.from_status is distinct from 'In Progress'
        )
    );
    if not found then
      v_count := 0;
    end if;
  end if;

  if v_count > v_most then
    update public.task_events as e
    set details = jsonb_build_object('count', (e.details ->> 'count')::integer + 1, 'last_at', fairlane_core.now())
    where e.task_id = p_task.id
      and e.from_status = e.to_status
      and e.to_status = p_task.status
      and e.reason = v_counted;
    return;
  end if;

  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason, details)
  values (
    p_task.id, p_task.user_id, fairlane_core.now(), p_task.status, p_task.status, p_task.worker_id, p_task.attempts,
    fairlane_core.caller_name(p_caller),
    case v_count when v_most then v_counted else p_reason end,
    case v_count when v_most then jsonb_build_object('count', 1, 'last_at', fairlane_core.now()) else p_details end
  );
end;
$$;

create function fairlane_core.described_file(p_description json, p_user_id uuid, p_task_id uuid)
returns text language plpgsql immutable strict security invoker set search_path = '' as $$
begin
  return (
    select p_description ->> k.key
    from unnest(array['transition_url', 'url', 'output_url', 'video_url']) with ordinality as k (key, place)
    where fairlane_core.own_file(p_description ->> k.key, p_user_id, p_task_id) is not null
    order by k.place
    limit 1
  );
exception when others then
  return null; -- JSON may hold characters that Postgres cannot store as text
end;
$$;

create function fairlane_core.own_file(p_url text, p_user_id uuid, p_task_id uuid)
returns text language plpgsql immutable strict security invoker set search_path = '' as $$
declare
  -- Always the same pattern: with the ids in it, it would be compiled again for each task, which costs more than a
  -- completion.
  v_path text := substring(p_url from '^https?://[^/?#]+/+storage/v1/object/public/image_uploads/([^?#]+)');
  v_folder text := p_user_id || '/tasks/' || p_task_id || '/';
begin
  return case when starts_with(v_path, v_folder) and v_path <> v_folder then v_path end;
end;
$$;

create function fairlane_core.json_object_of(p_text text)
returns json language plpgsql immutable strict security invoker set search_path = '' as $$
declare
  v_json json;
begin
  if ltrim(pg_catalog.left(p_text, 100), E' \t\r\n') not like '{%' or length(p_text) > 65536 then
    return null;
  end if;
  begin
    v_json := regexp_replace(p_text, '-?\m(?:NaN|Infinity)\M', '0', 'g')::json;
    return case when json_typeof(v_json) = 'object' then v_json end;
  exception when others then
    return null; -- no JSON, or none that Postgres can read
  end;
end;
$$;

create function fairlane_core.complete_task(
  p_caller jsonb,
  p_task_id uuid,
  p_output_location text,
  p_thumbnail_url text,
  p_result_data jsonb,
  p_lease_token uuid,
  p_description text,
  p_may_describe boolean default false
)
returns json language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_owner_id uuid;
  v_reply json;
begin
  -- No output is a reason, a JSON object describes a file, and what is long is cut.
  if p_caller ->> 'kind' = 'service' and p_description is null and octet_length(p_output_location) <= 65536
    and ltrim(left(p_output_location, 100), E' \t\r\n') not like '{%'
    and coalesce(octet_length(p_thumbnail_url) <= 65536, true)
    -- A look first: a statement that finds nothing to do costs half of one that does.
    and (select t.status = 'In Progress' and t.takes_slot and t.token_id is null from public.tasks as t where t.id = p_task_id)
    and not fairlane_core.has_relatives(p_task_id) then
    begin
      perform set_config('fairlane_core.mode', 'counts_itself', true);
      with done as (
        update public.tasks as t
        set status = 'Complete',
          readiness = null,
          output_location = p_output_location,
          file_location = null,
          thumbnail_url = coalesce(p_thumbnail_url, t.thumbnail_url),
          result_data = case when p_result_data is null then t.result_data else fairlane_core.bounded_data(p_result_data) end,
          error_message = null,
          generation_processed_at = pg_catalog.now() + c.clock_offset,
          generation_created = t.params ->> 'skip_generation' is distinct from 'true'
            and exists (select from public.task_types as y where y.name = t.task_type and y.creates_generation),
          params = case when jsonb_path_exists(t.params, '$.**.user_jwt') then fairlane_core.without_secrets(t.params) else t.params end,
          updated_at = pg_catalog.now() + c.clock_offset
        from fairlane_core.settings as c
        where t.id = p_task_id
          -- Not as a plain condition: the planner would take the index of running tasks, and read all of them.
          and coalesce(t.status, '') = 'In Progress'
          and (p_lease_token is null or t.lease_token = p_lease_token)
          and t.user_id is not null
          and t.token_id is null
          and t.takes_slot
          -- No record is named that this one belongs to (fairlane_core.generation_links).
          and not t.params ?| array['parent_generation_id', 'based_on']
        returning
          t.id, t.user_id, t.project_id, t.pool, t.task_type, t.params, t.worker_id, t.attempts, t.thumbnail_url, t.generation_created,
          t.updated_at
      ),
      slots as (
        update fairlane_core.user_slots as s
        set running = s.running - 1,
          cloud_reason = coalesce(nullif(s.cloud_reason, 'user_at_limit'), case when s.running - 1 >= s.task_limit then 'user_at_limit' end),
          local_reason = coalesce(nullif(s.local_reason, 'user_at_limit'), case when s.running - 1 >= s.task_limit then 'user_at_limit' end)
        where s.user_id = (select d.user_id from done as d)
        returning
          s.user_id, s.running, s.cloud_reason, s.running + s.orchestrating + s.remembered as turn_load,
          greatest(s.orchestration_limit - s.orchestrating, 0) as room
      ),
      -- The queue that the task was counted in, and another one with work, because the number of running tasks changes
      -- in each. A queue without work begins a new wait for a turn.
      queues as (
        update fairlane_core.user_queues as l
        set active_cloud = l.active_cloud - (l.pool = d.pool)::integer,
          running = s.running,
          turn_load = s.turn_load,
          orchestration_room = s.room,
          is_open = s.cloud_reason is null and (l.ready_cloud > 0 or (s.room > 0 and l.ready_cloud_orchestration > 0)),
          last_served_at = case when l.ready_cloud + l.ready_cloud_orchestration = 0 then d.updated_at else l.last_served_at end
        from done as d
          cross join slots as s
        where l.user_id = (select x.user_id from slots as x)
          and (l.pool = d.pool or l.ready_cloud + l.ready_cloud_orchestration > 0)
        returning l.pool
      ),
      event as (
        insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor)
        select d.id, d.user_id, d.updated_at, 'In Progress', 'Complete', d.worker_id, d.attempts, 'service'
        from done as d
      ),
      record as (
        insert into public.generations as g (task_id, project_id, user_id, type, location, thumbnail_url, params, created_at)
        select
          d.id, d.project_id, d.user_id, (select y.content_type from public.task_types as y where y.name = d.task_type),
          p_output_location, d.thumbnail_url, d.params, d.updated_at
        from done as d
        where d.generation_created
        on conflict (task_id) do update
          set location = excluded.location,
            thumbnail_url = excluded.thumbnail_url,
            params = excluded.params
        returning g.id
      )
      select
        d.user_id,
        case
          when exists (select from queues as l where l.pool = d.pool) then json_build_object(
            'task_id', d.id,
            'status', 'Complete',
            'output_location', p_output_location,
            'public_url', p_output_location,
            'thumbnail_url', d.thumbnail_url,
            'error_message', null,
            'attempt', d.attempts,
            'generation_created', d.generation_created,
            'generation_id', coalesce((select r.id from record as r), (select g.id from public.generations as g where g.task_id = d.id))
          )
        end
      into v_owner_id, v_reply
      from done as d;
      perform set_config('fairlane_core.mode', '', true);

      -- The owner is locked from here on, so nothing comes any more. What came while the statement waited for that lock
      -- it has not seen: relatives need locks that are taken before the owner's, a queue that is no longer empty needs
      -- the new number of running tasks.
      if v_owner_id is not null then
        if v_reply is null or fairlane_core.has_relatives(p_task_id) then
          raise sqlstate 'QU001' using message = 'This task was not plain; nothing was changed';
        elsif exists (
          select
          from fairlane_core.user_queues as l
          where l.user_id = v_owner_id
            and l.ready_cloud + l.ready_cloud_orchestration > 0
            and l.running <> (select s.running from fairlane_core.user_slots as s where s.user_id = v_owner_id)
        ) then
          perform fairlane_core.refresh_queues(array[v_owner_id]);
        end if;
      end if;
    exception
      when sqlstate 'QU001' then
        v_reply := null;
      when lock_not_available then
        -- Whoever holds a row of this owner is waited for below, longer; whoever holds a table has had his time.
        perform set_config('lock_timeout', '1ms', true);
    end;
    if v_reply is not null then
      return v_reply;
    end if;
  end if;

  return fairlane_core.complete_general(
    p_caller, p_task_id, p_output_location, p_thumbnail_url, p_result_data, p_lease_token, p_description, p_may_describe
  );
end;
$$;

create function fairlane_core.has_relatives(p_task_id uuid)
returns boolean language plpgsql volatile security invoker set search_path = '' set enable_sort = off as $$
begin
  -- Each by the index that begins with the column. To the planner the others, which hold it too, may look alike: for
  -- the dependencies an order and a range leave one (not in "exists", which drops the order), for subtasks the column
  -- that no other index has.
  return coalesce(
      (select true from fairlane_core.task_dependencies as d where d.depends_on between p_task_id and p_task_id order by d.depends_on limit 1), false
    )
    or exists (select from fairlane_core.subtasks as s where s.task_id = p_task_id and s.seq > 0)
    or exists (select from fairlane_core.orchestrations as o where o.orchestrator_id = p_task_id);
end;
$$;

create function fairlane_core.settle_deferred(p_limit integer default 100, p_may_move boolean default true)
returns json language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set lock_timeout = '200ms' as $$
declare
  v_most_rows constant integer := 200;
  v_work fairlane_core.deferred_work;
  v_is_left boolean;
  v_moved bigint[] := array[]::bigint[];
  v_moved_to bigint;
  v_waits integer := 0;
  v_count integer;
  v_rows integer := 0;
  v_settled integer := 0;
  v_finished integer := 0;
  v_failed integer := 0;
begin
  -- One at a time; a second run has nothing to add.
  if not pg_try_advisory_xact_lock(hashtextextended('fairlane_core.settle_deferred', 0)) then
    return json_build_object('settled', 0, 'finished', 0, 'failed', 0);
  end if;

  v_work.id := 0;
  perform fairlane_core.set_event_context('fairlane_core.settle');
  while v_settled < p_limit and v_rows < v_most_rows and v_waits < case when p_may_move then 5 else 1 end loop
    select w.*
    into v_work
    from fairlane_core.deferred_work as w
    where w.id > v_work.id
      and w.id <> all (v_moved)
    order by w.id
    limit 1
    for update skip locked;
    exit when not found;
    v_rows := v_rows + 1;

    begin
      v_count := fairlane_core.settle_piece(v_work, p_limit - v_settled);
    exception
      when lock_not_available or deadlock_detected then
        v_count := null;
        v_waits := v_waits + 1;
      when others then
        raise warning 'fairlane_core.settle_deferred: % of %: % (%)', v_work.kind, coalesce(v_work.task_id, v_work.deleted_id), sqlerrm, sqlstate;
        v_failed := v_failed + 1;
        v_count := null;
    end;

    if v_count is null and p_may_move then
      delete from fairlane_core.deferred_work as w where w.id = v_work.id;
      insert into fairlane_core.deferred_work (
        kind, task_id, user_id, status, root_id, reason, task_type, after_id, only_id, since, deleted_id
      )
      values (
        v_work.kind, v_work.task_id, v_work.user_id, v_work.status, v_work.root_id, v_work.reason, v_work.task_type,
        v_work.after_id, v_work.only_id, v_work.since, v_work.deleted_id
      )
      returning id into v_moved_to;
      v_moved := v_moved || v_moved_to;
    end if;
    v_is_left := exists (select from fairlane_core.deferred_work as w where w.id = v_work.id);
    v_finished := v_finished + (v_count is not null and not v_is_left)::integer;
    v_settled := v_settled + coalesce(v_count, 0);
  end loop;
  perform fairlane_core.set_event_context(null);

  return json_build_object('settled', v_settled, 'finished', v_finished, 'failed', v_failed);
end;
$$;

create function fairlane_core.settle_piece(p_work fairlane_core.deferred_work, p_limit integer)
returns integer language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_look constant integer := 1000;
  v_kind text := p_work.kind;
  v_ended_as text;
  v_next uuid[];
  v_due uuid[];
  v_mine uuid[];
  v_is_over boolean;
begin
  if v_kind = 'limits' then
    return fairlane_core.settle_limits(p_work, 5 * p_limit);
  elsif v_kind = 'stale' then
    return fairlane_core.settle_stale(p_work, p_limit);
  elsif v_kind in ('user', 'project') then
    return fairlane_core.settle_deletion(p_work, p_limit);
  elsif v_kind = 'type' and p_work.user_id is null then
    -- One row per owner who has live tasks of the type.
    v_next := array(select o.user_id from fairlane_core.owners_with_live_tasks(p_work.after_id, v_look) as o (user_id));
    insert into fairlane_core.deferred_work (kind, task_type, user_id, since)
    select 'type', p_work.task_type, o.user_id, p_work.since
    from unnest(v_next) as o (user_id)
    where exists (select from fairlane_core.live_tasks_of_type(o.user_id, p_work.task_type, null, 1));
    if cardinality(v_next) < v_look then
      delete from fairlane_core.deferred_work as w where w.id = p_work.id;
      return 0;
    end if;
    update fairlane_core.deferred_work as w set after_id = v_next[v_look] where w.id = p_work.id;
    return 1;
  end if;

  perform from fairlane_core.user_slots as s where s.user_id = p_work.user_id for no key update skip locked;
  if not found and exists (select from fairlane_core.user_slots as s where s.user_id = p_work.user_id) then
    return null;
  end if;

  -- The task may have been requeued, or enqueued again, since it ended.
  select t.status into v_ended_as from public.tasks as t where t.id = p_work.task_id and t.user_id = p_work.user_id;
  if v_kind = 'lost' and v_ended_as not in ('Failed', 'Cancelled') then
    v_kind := 'dependents';
  elsif v_kind in ('children', 'siblings') and v_ended_as is distinct from nullif(p_work.status, 'deleted') then
    delete from fairlane_core.deferred_work as w where w.id = p_work.id;
    return 0;
  end if;

  v_next := case
    when p_work.only_id is not null then array[p_work.only_id]
    when v_kind = 'type' then array(
      select l.id from fairlane_core.live_tasks_of_type(p_work.user_id, p_work.task_type, p_work.after_id, v_look) as l (id)
    )
    else fairlane_core.next_relatives(p_work.task_id, v_kind in ('children', 'siblings'), p_work.after_id, v_look)
  end;
  v_due := array(
    select t.id
    from public.tasks as t
    where t.id = any (v_next)
      and (t.status = 'Queued' or (t.status = 'In Progress' and v_kind in ('children', 'type')))
      and t.user_id is not distinct from nullif(p_work.user_id, '00000000-0000-0000-0000-000000000000')
      and (v_kind <> 'type' or fairlane_core.is_behind_its_type(t.task_type, t.pool, t.takes_slot, t.runs_on_own_gpu, t.readiness))
    order by t.id
    limit p_limit
  );
  v_mine := array(
    select t.id
    from public.tasks as t
    where t.id = any (v_due)
      and (t.status = 'Queued' or (t.status = 'In Progress' and v_kind in ('children', 'type')))
    order by t.id
    for no key update skip locked
  );
  if p_work.only_id is not null and cardinality(v_mine) < cardinality(v_due) then
    return null;
  end if;

  v_is_over := cardinality(v_due) < p_limit and (cardinality(v_next) < v_look or p_work.only_id is not null);
  if v_is_over then
    delete from fairlane_core.deferred_work as w where w.id = p_work.id;
  else
    update fairlane_core.deferred_work as w
    set after_id = case when cardinality(v_due) = p_limit then v_due[p_limit] else v_next[v_look] end
    where w.id = p_work.id;
  end if;
  insert into fairlane_core.deferred_work (kind, task_id, user_id, status, root_id, reason, task_type, only_id, since)
  select
    p_work.kind, p_work.task_id, p_work.user_id, p_work.status, p_work.root_id, p_work.reason, p_work.task_type, h.id, p_work.since
  from unnest(v_due) as h (id)
  where h.id <> all (v_mine);

  case v_kind
    when 'dependents' then
      perform fairlane_core.recompute_readiness(v_mine);
    when 'type' then
      update public.tasks as t set pool = null where t.id = any (v_mine);
    when 'children' then
      perform fairlane_core.end_tasks(array(
        select (
          m.id, p_work.user_id, 'Cancelled',
          pg_catalog.format('Cascaded failed from related task %s: its orchestrator was %s', p_work.task_id, p_work.status)
        )::fairlane_core.task_end
        from unnest(v_mine) as m (id)
      ));
    when 'siblings' then
      perform fairlane_core.end_siblings(v_mine, p_work.user_id, p_work.task_id, p_work.root_id, p_work.reason);
    when 'lost' then
      -- The dependents of these in turn.
      insert into fairlane_core.deferred_work (kind, task_id, user_id, status, root_id, reason, since)
      select 'lost', m.id, p_work.user_id, p_work.status, p_work.root_id, p_work.reason, p_work.since
      from unnest(v_mine) as m (id)
      where exists (select from fairlane_core.task_dependencies as d where d.depends_on = m.id);
      perform fairlane_core.end_tasks(array(
        select (
          m.id, p_work.user_id, case p_work.status when 'Failed' then 'Failed' else 'Cancelled' end,
          pg_catalog.format(
            'Cascaded failed from related task %s: %s (%s)', p_work.root_id,
            concat_ws(
              ' <- ', p_work.root_id,
              -- The last links of a long chain.
              case
                when p_work.task_id <> p_work.root_id and not exists (
                  select from fairlane_core.task_dependencies as d where d.task_id = p_work.task_id and d.depends_on = p_work.root_id
                ) then '…'
              end,
              nullif(p_work.task_id, p_work.root_id),
              m.id
            ),
            concat_ws(': ', p_work.status, p_work.reason)
          )
        )::fairlane_core.task_end
        from unnest(v_mine) as m (id)
      ), p_in_turn => true);
  end case;
  return cardinality(v_mine);
end;
$$;

create function fairlane_core.depend_on(p_task_id uuid, p_depends_on uuid[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_task public.tasks;
begin
  if p_task_id = any (p_depends_on) then
    perform fairlane_core.refuse(400, 'DEPENDENCY_CYCLE', 'A task cannot depend on itself');
  end if;

  select t.* into v_task from public.tasks as t where t.id = p_task_id for no key update;
  if v_task.status is distinct from 'Queued' then
    perform fairlane_core.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s; only a Queued task can be given dependencies', p_task_id, coalesce(v_task.status, 'missing'))
    );
  end if;

  -- Under the owner's lock no dependency can end unnoticed, and no cycle can be closed from two sides.
  perform from fairlane_core.user_slots as s where s.user_id = v_task.user_id for no key update;

  insert into fairlane_core.task_dependencies (task_id, depends_on)
  select p_task_id, d.id
  from unnest(p_depends_on) as d (id)
  where d.id is not null
  on conflict do nothing;
  perform fairlane_core.refuse_cycles(array[p_task_id]);

  update public.tasks as t
  set readiness = null,
    dependant_on = coalesce(
      t.dependant_on,
      (select d.id from unnest(p_depends_on) with ordinality as d (id, place) where d.id is not null order by d.place limit 1)
    )
  where t.id = p_task_id;
end;
$$;

create function fairlane_core.follow_dependencies(p_task_ids uuid[], p_were uuid[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_changed uuid[];
begin
  with gone as (
    delete from fairlane_core.task_dependencies as d
    using unnest(p_task_ids, p_were) as w (task_id, was)
    where d.task_id = w.task_id
      and d.depends_on = w.was
      and d.depends_on is distinct from (select t.dependant_on from public.tasks as t where t.id = d.task_id)
    returning d.task_id
  ),
  come as (
    insert into fairlane_core.task_dependencies (task_id, depends_on)
    select t.id, t.dependant_on
    from public.tasks as t
    where t.id = any (p_task_ids)
      and t.dependant_on is not null
    on conflict do nothing
    returning task_id
  )
  select array_agg(distinct c.task_id)
  into v_changed
  from (select g.task_id from gone as g union all select n.task_id from come as n) as c;

  if v_changed is not null then
    perform fairlane_core.refuse_cycles(v_changed);
    perform fairlane_core.recompute_readiness(v_changed);
  end if;
end;
$$;

create function fairlane_core.refuse_cycles(p_task_ids uuid[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_waited_for uuid[];
  v_suspects uuid[];
  v_circle uuid;
begin
  -- Only a task that both waits and is waited for can be in a cycle.
  select array_agg(t.id)
  into v_waited_for
  from unnest(p_task_ids) as t (id)
  where exists (select from fairlane_core.task_dependencies as d where d.task_id = t.id offset 0)
    and exists (select from fairlane_core.task_dependencies as d where d.depends_on = t.id offset 0);

  if v_waited_for is null then
    return;
  end if;

  -- A cycle contains an older task that waited for a new one, or only new ones. Sets are hashed (except, in) and
  -- dependencies looked up by key (offset 0): pairwise comparison would make a long chain in one statement quadratic.
  with recursive awaited (task_id) as materialized (
    select w.id from unnest(v_waited_for) as w (id)
  ),
  suspect (task_id) as (
    select w.task_id
    from awaited as w
    where exists (
      select
      from (select d.task_id from fairlane_core.task_dependencies as d where d.depends_on = w.task_id offset 0) as n
      where n.task_id not in (select p.id from unnest(p_task_ids) as p (id))
    )
  ),
  -- A long chain in one statement: its first task waits for none of the others, and each further one only for tasks
  -- that are already known to be free.
  free (task_id) as (
    select w.task_id
    from awaited as w
    where not exists (
      select
      from (select d.depends_on from fairlane_core.task_dependencies as d where d.task_id = w.task_id offset 0) as n
      -- "is true" keeps the set hashed: as a join it might be scanned for each dependency.
      where (n.depends_on in (select v.task_id from awaited as v)) is true
    )
    union
    select n.task_id
    from free as f
      cross join lateral (
        select d.task_id from fairlane_core.task_dependencies as d where d.depends_on = f.task_id offset 0
      ) as n
    where not exists (
      select
      from (select o.depends_on from fairlane_core.task_dependencies as o where o.task_id = n.task_id offset 0) as o
      where o.depends_on <> f.task_id
    )
  )
  select array_agg(s.task_id)
  into v_suspects
  from (
    (select w.task_id from awaited as w except select f.task_id from free as f)
    union
    select s.task_id from suspect as s
  ) as s;

  select t.id
  into v_circle
  from public.tasks as t
  where t.id = any (v_suspects)
    and fairlane_core.waits_for(t.id, t.id, t.user_id)
  limit 1;

  if v_circle is not null then
    perform fairlane_core.refuse(
      400, 'DEPENDENCY_CYCLE',
      pg_catalog.format('Task %s would wait for itself, through the tasks it depends on', v_circle),
      'Depend only on tasks that do not wait for this one'
    );
  end if;
end;
$$;

create function fairlane_core.waits_for(p_task_id uuid, p_other_id uuid, p_user_id uuid)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
begin
  return exists (
    with recursive above (task_id) as (
      select d.depends_on from fairlane_core.task_dependencies as d where d.task_id = p_task_id
      union
      select n.depends_on
      from above as a
        -- By key, one step after the other (enforced by offset 0); as joins, a plan from when the queue was small would
        -- scan all dependencies, or all tasks of the owner, at each step of a long chain.
        cross join lateral (
          select d.depends_on from fairlane_core.task_dependencies as d where d.task_id = a.task_id offset 0
        ) as n
      where (select t.user_id = p_user_id from public.tasks as t where t.id = a.task_id)
    )
    select from above as a where a.task_id = p_other_id
  );
end;
$$;

create function fairlane_core.move_dependents(p_from uuid, p_to uuid, p_user_id uuid)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_waiting uuid[];
begin
  select array_agg(t.id)
  into v_waiting
  from public.tasks as t
  where t.id = any (array(select d.task_id from fairlane_core.task_dependencies as d where d.depends_on = p_from))
    and t.status = 'Queued'
    and t.user_id = p_user_id
    and t.id <> p_to;

  -- Also children that were cancelled because they were replaced: they may be requeued. Only their dependencies are
  -- changed, since no task may be locked while an owner is; fairlane_core.requeue_lost_part updates the task itself.
  update fairlane_core.task_dependencies as d
  set depends_on = p_to
  where d.depends_on = p_from
    and d.task_id <> p_to
    and exists (
      select
      from fairlane_core.subtasks as s
      where s.task_id = d.task_id and s.user_id = p_user_id and s.replaced_by is not null
    )
    and not exists (select from fairlane_core.task_dependencies as e where e.task_id = d.task_id and e.depends_on = p_to);
  -- Tasks that already wait for both: the remaining dependency on the first would count as lost.
  delete from fairlane_core.task_dependencies as d
  where d.depends_on = p_from
    and d.task_id <> p_to
    and exists (
      select
      from fairlane_core.subtasks as s
      where s.task_id = d.task_id and s.user_id = p_user_id and s.replaced_by is not null
    );

  if v_waiting is null then
    return;
  end if;

  delete from fairlane_core.task_dependencies as d where d.depends_on = p_from and d.task_id = any (v_waiting);
  insert into fairlane_core.task_dependencies (task_id, depends_on)
  select w.id, p_to
  from unnest(v_waiting) as w (id)
  on conflict do nothing;

  update public.tasks as t
  set dependant_on = case when t.dependant_on = p_from then p_to else t.dependant_on end,
    readiness = null
  where t.id = any (v_waiting)
    and t.status = 'Queued';
end;
$$;

create function fairlane_core.settle_ends(p_moved uuid[], p_from text[], p_to text[], p_complete uuid[], p_lost fairlane_core.task_end[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  if p_complete is not null then
    perform fairlane_core.record_generations(p_complete);
    perform fairlane_core.unblock_dependents(p_complete);
  end if;
  -- Families first: the orchestrator should name the child that failed, not one that was cancelled with it.
  perform fairlane_core.settle_families(p_moved, p_from, p_to);
  if p_lost is not null then
    perform fairlane_core.cascade_failure(p_lost);
  end if;
end;
$$;

create function fairlane_core.unblock_dependents(p_task_ids uuid[], p_but uuid[] default '{}')
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_most constant integer := 100;
  v_look constant integer := 1000;
  v_links integer;
  v_waiting uuid[];
begin
  select count(*)
  into v_links
  from (
    select
    from unnest(p_task_ids) as i (id)
      -- Each by key, as in fairlane_core.lock_relatives_of.
      cross join lateral (select from fairlane_core.task_dependencies as d where d.depends_on = i.id offset 0) as d
    limit v_look + 1
  ) as l;
  if v_links = 0 then
    return;
  end if;

  if v_links <= v_look then
    v_waiting := array(
      select d.task_id
      from unnest(p_task_ids) as i (id)
        cross join lateral (
          select w.task_id, w.depends_on from fairlane_core.task_dependencies as w where w.depends_on = i.id offset 0
        ) as d
      where d.task_id <> all (p_but)
        -- By key; as a join, a plan from when the queue was small would scan all tasks of the owner.
        and (
          select t.status = 'Queued'
            and t.user_id is not distinct from (select c.user_id from public.tasks as c where c.id = d.depends_on)
          from public.tasks as t
          where t.id = d.task_id
        )
      limit v_most + 1
    );
    if cardinality(v_waiting) <= v_most then
      perform
      from public.tasks as t
      where t.id = any (v_waiting)
        and t.status = 'Queued'
      order by t.id
      for no key update;
      perform fairlane_core.recompute_readiness(v_waiting);
      return;
    end if;
  end if;

  insert into fairlane_core.deferred_work (kind, task_id, user_id, status, since)
  select 'dependents', t.id, t.user_id, t.status, fairlane_core.now()
  from public.tasks as t
  where t.id = any (p_task_ids)
    and exists (select from fairlane_core.task_dependencies as d where d.depends_on = t.id);
end;
$$;

create function fairlane_core.cascade_failure(p_lost fairlane_core.task_end[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_most constant integer := 100;
  v_look constant integer := 1000;
  v_links integer;
  v_ways integer;
  v_ends fairlane_core.task_end[];
begin
  -- How many tasks depend on them at all, whoever owns them.
  with recursive below (task_id) as (
    select d.task_id
    from unnest(p_lost) as l
      join fairlane_core.task_dependencies as d on d.depends_on = l.task_id
    where l.user_id is not null
    union
    select d.task_id
    from below as b
      join fairlane_core.task_dependencies as d on d.depends_on = b.task_id
  )
  select count(*) into v_links from (select from below as b limit v_look + 1) as b;
  if v_links = 0 then
    return;
  elsif v_links > v_look then
    perform fairlane_core.defer_lost(p_lost);
    return;
  end if;

  with recursive reached (task_id, via, root, user_id, status, reason) as (
    -- Each task once per path and cause: diamonds do not multiply, and a cycle ends.
    select l.task_id, null::uuid, l.task_id, l.user_id, l.status, pg_catalog.left(nullif(l.reason, ''), 500)
    from unnest(p_lost) as l
    where l.user_id is not null
      and exists (select from fairlane_core.task_dependencies as d where d.depends_on = l.task_id)
    union
    select d.task_id, r.task_id, r.root, r.user_id, r.status, r.reason
    from reached as r
      join fairlane_core.task_dependencies as d on d.depends_on = r.task_id
    -- One task by key; as a join, a plan from when the queue was small would scan all tasks of the owner.
    where (select t.status = 'Queued' and t.user_id = r.user_id from public.tasks as t where t.id = d.task_id)
  ),
  bounded as materialized (
    select r.* from reached as r limit 2 * v_look + 1
  ),
  -- One cause per task: a failure takes precedence over a cancellation.
  chosen as (
    select distinct on (r.task_id) r.task_id, r.via, r.root, r.status, r.reason
    from bounded as r
    order by r.task_id, r.via is not null, r.status = 'Failed' desc, r.root, r.via
  )
  select (select count(*) from bounded), array_agg((
    c.task_id, null,
    case c.status when 'Failed' then 'Failed' else 'Cancelled' end,
    pg_catalog.format(
      'Cascaded failed from related task %s: %s (%s)', c.root,
      concat_ws(
        ' <- ', c.root,
        -- The last links of a long chain.
        case when b.via <> c.root then '…' end,
        case when b.via is not null then b.task_id end,
        c.task_id
      ),
      concat_ws(': ', c.status, c.reason)
    )
  )::fairlane_core.task_end)
  into v_ways, v_ends
  from chosen as c
    left join chosen as b on b.task_id = c.via and b.via is not null
  where c.via is not null;

  if v_ways > 2 * v_look or cardinality(v_ends) > v_most then
    perform fairlane_core.defer_lost(p_lost);
  elsif v_ends is not null then
    perform fairlane_core.end_tasks(v_ends);
  end if;
end;
$$;

create function fairlane_core.defer_lost(p_lost fairlane_core.task_end[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  insert into fairlane_core.deferred_work (kind, task_id, user_id, status, root_id, reason, since)
  select 'lost', l.task_id, l.user_id, l.status, l.task_id, pg_catalog.left(nullif(l.reason, ''), 500), fairlane_core.now()
  from unnest(p_lost) as l
  where l.user_id is not null
    and exists (select from fairlane_core.task_dependencies as d where d.depends_on = l.task_id);
end;
$$;

create function fairlane_core.end_tasks(p_ends fairlane_core.task_end[], p_in_turn boolean default false)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_event constant text := coalesce(current_setting('fairlane_core.event', true), '');
  v_mode constant text := coalesce(current_setting('fairlane_core.mode', true), '');
begin
  perform fairlane_core.set_event_context(fairlane_core.actor());
  perform set_config('fairlane_core.mode', concat_ws(' ', v_mode, case when p_in_turn then 'ends_in_turn' end), true);
  update public.tasks as t
  set status = e.status,
    error_message = fairlane_core.cut_text(e.reason),
    output_location = fairlane_core.cut_text(e.reason) -- where deployed debug tools read it
  from unnest(p_ends) as e
  where t.id = e.task_id
    and t.status in ('Queued', 'In Progress');
  perform set_config('fairlane_core.mode', v_mode, true);
  perform set_config('fairlane_core.event', v_event, true);
end;
$$;

create function fairlane_core.next_relatives(p_task_id uuid, p_are_children boolean, p_after_id uuid, p_most integer)
returns uuid[] language plpgsql stable security invoker set search_path = '' set enable_sort = off set enable_bitmapscan = off as $$
declare
  v_after_id constant uuid := coalesce(p_after_id, '00000000-0000-0000-0000-000000000000');
begin
  if p_are_children then
    return array(
      select s.task_id
      from fairlane_core.subtasks as s
      where s.orchestrator_id = p_task_id
        and s.task_id > v_after_id
      order by s.task_id
      limit p_most
    );
  end if;
  return array(
    select d.task_id
    from fairlane_core.task_dependencies as d
    where d.depends_on = p_task_id
      and d.task_id > v_after_id
    order by d.task_id
    limit p_most
  );
end;
$$;

create function fairlane_core.fail_task(
  p_caller fairlane_core.caller,
  p_task public.tasks,
  p_reason text,
  p_details text,
  p_has_lease boolean,
  p_may_retry boolean,
  p_waits boolean default true,
  p_attempts integer default null
)
returns json language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_told text := coalesce(nullif(p_reason, ''), nullif(p_details, ''), 'Failed without a reason');
  -- Cut here and once: what follows handles a text several times, and it may have megabytes.
  v_reason text := fairlane_core.cut_text(v_told);
  v_details text := fairlane_core.cut_text(p_details);
  -- The history keeps more of a text than the task.
  v_full jsonb := nullif(jsonb_strip_nulls(jsonb_build_object(
    'error_message', case when v_told <> v_reason then fairlane_core.cut_ends(v_told) end,
    'error_details', case when p_details <> v_details then fairlane_core.cut_ends(p_details) end
  )), '{}');
  -- A task that is back in the queue is already being retried, and only its holder may requeue a running one. A token
  -- that has lost the task reports on the attempt it had.
  v_applies boolean := case
    when p_task.status = 'In Progress' then fairlane_core.is_holder(p_caller, p_task) or p_caller.kind = 'service'
      or not p_may_retry and not exists (
        select
        from public.task_events as e
        where p_caller.kind = 'token'
          and e.task_id = p_task.id
          and e.to_status = 'In Progress'
          and e.from_status is distinct from 'In Progress'
          and e.actor = fairlane_core.caller_name(p_caller)
      )
    else p_task.status = 'Queued' and not p_may_retry
  end;
  -- The fleet's workers share one key; a token or a user is none of them.
  v_may_be_anothers boolean := case
    when v_applies and not p_has_lease and (p_caller.kind = 'service' or p_task.status = 'Queued')
      then fairlane_core.has_live_former_holder(p_task, p_attempts)
    else false
  end;
  v_wait interval;
  v_task public.tasks;
begin
  if v_applies and not v_may_be_anothers then
    if fairlane_core.is_holder(p_caller, p_task) then
      perform set_config('fairlane_core.mode', 'let_go:' || p_task.id, true);
    end if;
    if p_may_retry and not p_waits and fairlane_core.is_retryable(p_task.task_type) then
      -- After its last attempt it ends there (fairlane_core.tasks_before_update).
      perform fairlane_core.set_event_context(fairlane_core.caller_name(p_caller), v_reason, v_full);
      update public.tasks as t
      set status = 'Queued',
        error_message = v_reason,
        error_details = coalesce(v_details, t.error_details)
      where t.id = p_task.id
      returning t.* into v_task;
    elsif p_may_retry and p_task.attempts < fairlane_core.starts_allowed(p_task) and fairlane_core.is_retryable(p_task.task_type) then
      v_wait := fairlane_core.retry_wait(p_task.attempts);
      perform fairlane_core.set_event_context(
        fairlane_core.caller_name(p_caller),
        pg_catalog.format('failed, to be tried again in %s s: %s', ceil(extract(epoch from v_wait)), v_reason),
        v_full
      );
      update public.tasks as t
      set status = 'Queued',
        available_at = fairlane_core.now() + v_wait,
        error_message = v_reason,
        error_details = coalesce(v_details, t.error_details)
      where t.id = p_task.id
      returning t.* into v_task;
    else
      perform fairlane_core.set_event_context(fairlane_core.caller_name(p_caller), v_reason, v_full);
      update public.tasks as t
      set status = 'Failed',
        error_message = v_reason,
        error_details = coalesce(v_details, t.error_details),
        output_location = v_reason
      where t.id = p_task.id
      returning t.* into v_task;
    end if;
    perform set_config('fairlane_core.mode', '', true);
    perform fairlane_core.set_event_context(null);
    if p_task.status = 'Queued' then
      perform fairlane_core.let_go_by_report(p_caller, p_task.id);
    end if;
    return fairlane_core.report_reply(v_task, true);
  end if;

  if p_has_lease and p_task.status in ('Queued', 'Cancelled') then
    perform fairlane_core.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s and cannot become Failed', p_task.id, p_task.status),
      'Drop this task; its end is final'
    );
  end if;

  if p_task.status <> 'In Progress' then
    perform fairlane_core.let_go_by_report(p_caller, p_task.id);
  elsif v_may_be_anothers and p_task.delivered_at is null and fairlane_core.is_holder(p_caller, p_task) then
    -- If the holder sent this, its next claim is a new attempt, not a lost reply.
    update public.tasks as t set delivered_at = fairlane_core.now() where t.id = p_task.id returning t.* into p_task;
  end if;
  perform fairlane_core.record_report(
    p_task, p_caller,
    'failure reported, not applied: ' || v_reason,
    -- Used when the task ends, if no better reason arrives (fairlane_core.told_reason).
    case when v_may_be_anothers then coalesce(v_full, '{}') || jsonb_build_object('held_back', v_reason) else v_full end
  );
  return fairlane_core.report_reply(p_task, false);
end;
$$;

create function fairlane_core.has_live_former_holder(p_task public.tasks, p_attempts integer default null)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
declare
  v_settings fairlane_core.settings;
  v_is_shared boolean;
  v_former record;
begin
  select s.* into v_settings from fairlane_core.settings as s;
  if p_task.status = 'Queued' then
    return exists (
      select
      from public.task_events as e
        join public.workers as w on w.id = e.worker_id
      where e.task_id = p_task.id
        and e.to_status = 'In Progress'
        and e.from_status is distinct from 'In Progress'
        and fairlane_core.is_beating(w.last_heartbeat)
        and not exists (
          select
          from public.task_events as f
          where f.task_id = e.task_id
            and f.id > e.id
            and f.worker_id = e.worker_id
            and f.from_status = 'In Progress'
            and f.to_status = 'Queued'
            and (f.actor = 'service' or starts_with(f.actor, 'token:'))
        )
    );
  end if;

  v_is_shared := fairlane_core.sent_name(p_task.worker_id) = any (v_settings.shared_worker_ids);
  for v_former in
    -- The last attempt of each other worker, and how it ended.
    select distinct on (e.worker_id)
      e.worker_id, e.id as start_id, e.at as started_at, e.attempt, l.to_status, l.actor, l.attempt as lost_attempt,
      l.reason, l.details -> 'signs' as signs
    from public.task_events as e
      join public.workers as w on w.id = e.worker_id
      left join lateral (
        select f.*
        from public.task_events as f
        where f.task_id = e.task_id
          and f.id > e.id
          and f.from_status = 'In Progress'
          and f.to_status <> 'In Progress'
        order by f.id
        limit 1
      ) as l on true
    where e.task_id = p_task.id
      and e.to_status = 'In Progress'
      and e.from_status is distinct from 'In Progress'
      and (
        e.worker_id is distinct from p_task.worker_id
        -- All but the current attempt.
        or v_is_shared and e.id < (
          select max(s.id)
          from public.task_events as s
          where s.task_id = p_task.id
            and s.to_status = 'In Progress'
            and s.from_status is distinct from 'In Progress'
        )
      )
      and w.status <> 'terminating'
      and not fairlane_core.has_ended(w.status)
      and fairlane_core.is_beating(w.last_heartbeat)
    order by e.worker_id, e.id desc
  loop
    continue when p_attempts = p_task.attempts
      and p_attempts not between v_former.attempt and greatest(v_former.attempt, v_former.lost_attempt);
    -- It reported the outcome (by a PATCH, if the call had failed), or claimed again without a report.
    continue when v_former.to_status in ('Queued', 'Failed', 'Complete')
      and (v_former.actor = 'service' or v_former.reason ~ '^Retry \d+ \(');
    continue when (v_former.signs ->> 'worker_is_gone')::boolean;
    -- An unnamed attempt that lasted delivery_timeout was requeued as never delivered; only log lines since then show
    -- that its worker had the task.
    continue when not (v_former.signs ->> 'was_named')::boolean
      and (v_former.signs ->> 'running_seconds')::numeric >= extract(epoch from v_settings.delivery_timeout)
      and not exists (
        select
        from public.system_logs as g
        where g.task_id = p_task.id::text
          and g.worker_id = v_former.worker_id
          and g."timestamp" >= v_former.started_at
      );
    continue when p_task.pool = 'gpu' and v_settings.gpu_tasks_per_worker = 1
      and v_former.worker_id <> all (v_settings.shared_worker_ids)
      and exists (
        -- What it has or had last, and what it lost.
        select
        from (
          select t.id
          from public.tasks as t
          where t.worker_id = v_former.worker_id
            and t.status = 'In Progress'
            and t.claimed_at >= v_former.started_at
          union all
          -- In index order: a worker may have completed thousands.
          select t.id
          from public.tasks as t
          where t.worker_id = v_former.worker_id
            and t.status = 'Complete'
            and t.generation_processed_at >= v_former.started_at
          union all
          select f.task_id
          from public.task_events as f
          where f.worker_id = v_former.worker_id
            and f.from_status = 'In Progress'
            and f.to_status in ('Queued', 'Failed')
            and f.id > v_former.start_id
        ) as o
          join public.tasks as t on t.id = o.id
          join public.task_events as b on b.task_id = o.id
        where o.id <> p_task.id
          and t.pool = p_task.pool
          and b.worker_id = v_former.worker_id
          and b.to_status = 'In Progress'
          and b.from_status is distinct from 'In Progress'
          and b.id > v_former.start_id
      );
    return true;
  end loop;
  return false;
end;
$$;

create function fairlane_core.update_task_status(
  p_caller jsonb,
  p_task_id uuid,
  p_status text,
  p_output_location text,
  p_error_message text,
  p_error_details text,
  p_thumbnail_url text,
  p_result_data jsonb,
  p_reset_generation_started_at boolean,
  p_lease_token uuid,
  p_attempts integer
)
returns json language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task public.tasks;
begin
  if p_status = 'Complete' then
    return fairlane_core.complete_task(p_caller, p_task_id, p_output_location, p_thumbnail_url, p_result_data, p_lease_token, null, true);
  end if;

  v_task := fairlane_core.lock_task_for(v_caller, p_task_id, case
    when p_status in ('Failed', 'Cancelled') then p_status
    when p_status = 'Queued' and p_error_details <> '' then 'Failed' -- after its last attempt
    when p_status = 'In Progress' and fairlane_core.has_nothing_to_enqueue(p_output_location) then 'Complete'
  end);
  if p_lease_token is not null then
    perform fairlane_core.refuse_stale_lease(v_task, p_lease_token);
  end if;

  if p_status = 'Failed' then
    return fairlane_core.fail_task(
      v_caller, v_task, coalesce(nullif(p_error_message, ''), p_output_location), p_error_details,
      p_has_lease => p_lease_token is not null, p_may_retry => false
    );
  end if;

  -- Deployed workers since January: a failed attempt, reported with details, to be retried. The number that they send
  -- says which attempt they mean; the queue counts by itself.
  if p_status = 'Queued' and p_error_details <> '' then
    if p_lease_token is null
      and fairlane_core.is_told_again(v_task, p_attempts, fairlane_core.cut_text(coalesce(nullif(p_error_message, ''), p_error_details))) then
      perform fairlane_core.record_report(v_task, v_caller, 'failure reported again, it counts already: ' || fairlane_core.cut_text(p_error_details));
      return fairlane_core.report_reply(v_task, false);
    end if;
    return fairlane_core.fail_task(
      v_caller, v_task, p_error_message, p_error_details,
      p_has_lease => p_lease_token is not null, p_may_retry => true, p_waits => false, p_attempts => p_attempts
    );
  end if;

  if not coalesce(
    (v_task.status, p_status) in (
      ('In Progress', 'In Progress'), ('In Progress', 'Queued'), ('In Progress', 'Cancelled'), ('Queued', 'Cancelled')
    ) or (v_task.status = p_status and p_status in ('Cancelled', 'Queued')),
    false
  ) then
    perform fairlane_core.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s and cannot become %s', v_task.id, v_task.status, coalesce(p_status, 'null')),
      case when v_task.status = 'Queued' then 'Claim it first' else 'Nothing was changed' end
    );
  elsif v_task.status = p_status and p_status in ('Cancelled', 'Queued') then
    return fairlane_core.report_reply(v_task, false);
  elsif p_status in ('In Progress', 'Queued') and v_caller.kind <> 'service' and not fairlane_core.is_holder(v_caller, v_task) then
    -- The owner decides neither what is billed nor how often a task is tried.
    perform fairlane_core.refuse(
      409, 'NOT_THE_HOLDER',
      pg_catalog.format('Task %s is run by another worker, and only that one may report its progress or release it', v_task.id),
      'Cancel it, or complete it, if it is yours'
    );
  end if;

  perform fairlane_core.set_event_context(
    fairlane_core.caller_name(v_caller),
    case p_status
      when 'Queued' then coalesce(fairlane_core.cut_text(nullif(p_error_message, '')), 'released')
      when 'Cancelled' then coalesce(fairlane_core.cut_text(coalesce(nullif(p_error_message, ''), nullif(p_output_location, ''))), 'cancelled')
    end
  );
  perform set_config(
    'fairlane_core.mode',
    concat_ws(
      ' ',
      -- A worker that releases its task has not failed at it.
      case when p_status = 'Queued' then 'forgives_starts' end,
      -- Workers may release what they run; to cancel a task they must prove that it is theirs.
      case
        when fairlane_core.is_holder(v_caller, v_task)
          and (p_status = 'Queued' or (p_status = 'Cancelled' and (v_caller.kind = 'token' or p_lease_token is not null)))
          then 'let_go:' || v_task.id
      end
    ),
    true
  );
  update public.tasks as t
  set status = p_status,
    attempts = t.attempts - (p_status = 'Queued')::integer,
    output_location = coalesce(fairlane_core.cut_text(nullif(p_output_location, '')), t.output_location),
    thumbnail_url = coalesce(p_thumbnail_url, t.thumbnail_url),
    result_data = coalesce(p_result_data, t.result_data),
    error_message = case
      when p_status = 'In Progress' then t.error_message
      else coalesce(
        fairlane_core.cut_text(nullif(p_error_message, '')),
        -- Deployed orchestrators give the reason for a cancellation in this field.
        case when p_status = 'Cancelled' then fairlane_core.cut_text(nullif(p_output_location, '')) end,
        t.error_message
      )
    end,
    generation_started_at = case when p_reset_generation_started_at then fairlane_core.now() else t.generation_started_at end,
    delivered_at = coalesce(t.delivered_at, fairlane_core.now()),
    reported_at = fairlane_core.now()
  where t.id = v_task.id
  returning t.* into v_task;
  perform set_config('fairlane_core.mode', '', true);

  -- A text from an orchestrator means that it has enqueued its children; they may all have ended by now. What follows
  -- is still attributed to the reporter.
  if p_status = 'In Progress' and coalesce(p_output_location, '') <> '' then
    perform fairlane_core.note_enqueued(v_task.id, p_output_location);
    select t.* into v_task from public.tasks as t where t.id = v_task.id;
  end if;
  perform fairlane_core.set_event_context(null);
  return fairlane_core.report_reply(v_task, true);
end;
$$;

create function fairlane_core.lock_task_for(p_caller fairlane_core.caller, p_task_id uuid, p_ends_as text default null)
returns public.tasks language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_task public.tasks;
begin
  -- An app that cancels for its user can retry sooner than a worker.
  perform fairlane_core.open_tables(p_caller.kind <> 'user');

  -- Relatives are locked together with the task and before anything else; but nobody may lock a stranger's.
  if p_ends_as is not null and exists (
    select
    from public.tasks as t
    where t.id = p_task_id
      and t.status in ('Queued', 'In Progress')
      and (p_caller.kind = 'service' or t.user_id = p_caller.user_id)
  ) then
    perform fairlane_core.lock_relatives(p_task_id, p_ends_as);
  end if;

  select t.*
  into v_task
  from public.tasks as t
  where t.id = p_task_id
    and (p_caller.kind = 'service' or t.user_id = p_caller.user_id)
  for no key update;

  if v_task.id is null then
    perform fairlane_core.refuse(404, 'TASK_NOT_FOUND', pg_catalog.format('There is no task %s', p_task_id));
  end if;
  return v_task;
end;
$$;

create function fairlane_core.open_tables(p_is_report boolean)
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  lock table public.tasks, public.task_events, public.generations, fairlane_core.user_slots, fairlane_core.user_queues in row exclusive mode;
  lock table public.users, public.projects in row share mode;
  perform set_config('lock_timeout', ceil(1000 * extract(epoch from case when p_is_report then s.max_report_wait else 2 * s.max_lock_wait end)) || 'ms', true)
  from fairlane_core.settings as s;
end;
$$;

create function fairlane_core.is_holder(p_caller fairlane_core.caller, p_task public.tasks)
returns boolean language plpgsql immutable security invoker set search_path = '' as $$
begin
  return case p_caller.kind
    when 'service' then p_task.token_id is null
    when 'token' then p_task.token_id is not distinct from p_caller.token_id
    else false
  end;
end;
$$;

create function fairlane_core.refuse_stale_lease(p_task public.tasks, p_lease_token uuid)
returns void language plpgsql immutable security invoker set search_path = '' as $$
begin
  if p_lease_token is distinct from p_task.lease_token then
    perform fairlane_core.refuse(
      409, 'LEASE_LOST',
      pg_catalog.format('Stop: task %s is no longer yours, it was given to another worker or taken back', p_task.id),
      'Drop this task and claim the next one; nothing was changed'
    );
  end if;
end;
$$;

create function fairlane_core.report_reply(p_task public.tasks, p_changed boolean)
returns json language plpgsql stable security invoker set search_path = '' as $$
begin
  return fairlane_core.task_reply(p_task)::jsonb || jsonb_build_object('changed', p_changed);
end;
$$;

create function fairlane_core.task_reply(p_task public.tasks)
returns json language plpgsql stable security invoker set search_path = '' as $$
begin
  return json_build_object(
    'task_id', p_task.id,
    'status', p_task.status,
    'output_location', p_task.output_location,
    'public_url', case when p_task.status = 'Complete' then coalesce(p_task.file_location, p_task.output_location) end,
    'thumbnail_url', p_task.thumbnail_url,
    'error_message', p_task.error_message,
    'attempt', p_task.attempts,
    'generation_created', p_task.generation_created,
    'generation_id', (select g.id from public.generations as g where g.task_id = p_task.id)
  );
end;
$$;

create function fairlane_core.requeue_tasks(
  p_caller jsonb,
  p_task_ids uuid[],
  p_filter jsonb,
  p_limit integer,
  p_reason text,
  p_dry_run boolean
)
returns json language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_max constant integer := 1000;
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service']);
  v_limit integer := coalesce(p_limit, case when p_task_ids is null then 100 else v_max end);
  v_matching uuid[];
  v_ids uuid[];
  v_has_more boolean := false;
begin
  perform fairlane_core.open_tables(true);
  if v_limit not between 1 and v_max then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The limit must be 1 to %s, not %s', v_max, p_limit));
  elsif (p_task_ids is null) = (p_filter is null) then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'Name the tasks by their ids or by a filter, one of the two');
  end if;

  if p_task_ids is not null then
    -- All named tasks or none: the caller would assume that the omitted ones run.
    v_matching := array(select distinct x.id from unnest(p_task_ids) as x (id) where x.id is not null);
    if cardinality(v_matching) > v_limit then
      perform fairlane_core.refuse(
        400, 'INVALID_ARGUMENT',
        pg_catalog.format('One call requeues at most %s tasks, but %s are named; none was requeued', v_limit, cardinality(v_matching)),
        pg_catalog.format('Name at most %s at a time, or use a filter and repeat while has_more is true', v_max)
      );
    end if;
  else
    v_matching := array(select x.id from fairlane_core.dead_letters(p_filter, v_limit + 1) as x);
    v_has_more := cardinality(v_matching) > v_limit;
    v_matching := v_matching[:v_limit];
  end if;

  -- A task that somebody else is changing is left for the next call.
  select array_agg(l.id)
  into v_ids
  from (
    select t.id
    from public.tasks as t
    where t.id = any (v_matching)
      and t.status in ('Failed', 'Cancelled')
    order by t.id
    for no key update skip locked
  ) as l;

  if v_ids is not null and not coalesce(p_dry_run, false) then
    perform fairlane_core.set_event_context(fairlane_core.caller_name(v_caller), 'requeued by an operator' || coalesce(': ' || fairlane_core.cut_text(nullif(p_reason, '')), ''));
    update public.tasks as t
    set status = 'Queued',
      requeue_count = t.requeue_count + 1,
      max_attempts = t.attempts + fairlane_core.max_attempts(t.task_type),
      available_at = null,
      output_location = null -- the reason of the failure, also kept in error_message
    where t.id = any (v_ids);
    -- Tasks requeued together may wait for one another, and children with a live parent are not stale.
    perform fairlane_core.recompute_readiness(
      v_ids
      || array(
        select s.task_id
        from fairlane_core.subtasks as s
          join public.tasks as t on t.id = s.task_id
        where s.orchestrator_id = any (v_ids)
          and t.readiness = 'stale'
      )
    );
    perform fairlane_core.unblock_dependents(v_ids, v_ids);
    perform fairlane_core.set_event_context(null);
  end if;

  return json_build_object(
    'requeued', case when p_dry_run then 0 else coalesce(cardinality(v_ids), 0) end,
    'matched', coalesce(cardinality(v_ids), 0),
    'task_ids', to_json(coalesce(v_ids, array[]::uuid[])),
    -- Not Failed or Cancelled, missing, or being changed by somebody else.
    'passed_over', to_json(array(select m.id from unnest(v_matching) as m (id) where m.id <> all (coalesce(v_ids, array[]::uuid[])))),
    'has_more', v_has_more,
    'dry_run', coalesce(p_dry_run, false)
  );
end;
$$;

create function fairlane_core.dead_letters(p_filter jsonb, p_limit integer)
returns setof public.tasks language plpgsql stable security invoker set search_path = '' as $$
declare
  v_unknown text[];
begin
  if jsonb_typeof(p_filter) <> 'object' then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The filter must be a JSON object');
  end if;

  select array_agg(k.name order by k.name)
  into v_unknown
  from jsonb_object_keys(p_filter) as k (name)
  where k.name not in (
    'status', 'task_type', 'user_id', 'project_id', 'worker_id', 'error_contains', 'ended_since', 'ended_before'
  );

  if v_unknown is not null or p_filter = '{}' then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      coalesce('The filter does not know ' || array_to_string(v_unknown, ', '), 'The filter names nothing'),
      'Filter by status (Failed or Cancelled), task_type, user_id, project_id, worker_id, error_contains, ended_since, ended_before'
    );
  elsif coalesce(p_filter ->> 'status', 'Failed') not in ('Failed', 'Cancelled') then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('Only Failed and Cancelled tasks can be requeued, not %s', p_filter ->> 'status')
    );
  end if;

  return query
  select t.*
  from public.tasks as t
  where t.status = coalesce(p_filter ->> 'status', 'Failed')
    and (p_filter ->> 'task_type' is null or t.task_type = p_filter ->> 'task_type')
    and (p_filter ->> 'user_id' is null or t.user_id = (p_filter ->> 'user_id')::uuid)
    and (p_filter ->> 'project_id' is null or t.project_id = (p_filter ->> 'project_id')::uuid)
    and (p_filter ->> 'worker_id' is null or t.worker_id = p_filter ->> 'worker_id')
    and (p_filter ->> 'error_contains' is null or strpos(lower(t.error_message), lower(p_filter ->> 'error_contains')) > 0)
    and (p_filter ->> 'ended_since' is null or t.updated_at >= (p_filter ->> 'ended_since')::timestamptz)
    and (p_filter ->> 'ended_before' is null or t.updated_at < (p_filter ->> 'ended_before')::timestamptz)
  order by t.updated_at, t.id
  limit p_limit;
exception
  when invalid_text_representation or datetime_field_overflow or invalid_datetime_format then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'A value of the filter is not a valid id or time: ' || sqlerrm);
end;
$$;

create function fairlane_core.repair_generations(p_limit integer, p_dry_run boolean, p_task_ids uuid[])
returns json language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_missing uuid[];
  v_torn uuid[];
  v_doubtful uuid[];
begin
  perform fairlane_core.open_tables(true);
  if p_limit is null or p_limit not between 1 and 10000 then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The limit must be 1 to 10000');
  end if;
  if cardinality(p_task_ids) > p_limit then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT', pg_catalog.format('%s ids are more than the limit of %s', cardinality(p_task_ids), p_limit)
    );
  end if;

  select array_agg(m.id)
  into v_missing
  from (
    select t.id
    from public.tasks as t
      join public.task_types as y on y.name = t.task_type and y.creates_generation
      left join public.generations as g on g.task_id = t.id
    where t.status = 'Complete'
      and g.id is null
      and case when p_task_ids is null then not t.generation_created else t.id = any (p_task_ids) end
      and fairlane_core.creates_generation(t.task_type, t.params)
      -- A repeated child that is Complete because of the first one shows the first one's record.
      and not exists (select from fairlane_core.subtasks as s where s.task_id = t.id and s.replaced_by is not null)
    order by t.id
    limit p_limit
    for no key update of t skip locked
  ) as m;

  select array_agg(w.id)
  into v_torn
  from (
    select t.id
    from public.tasks as t
      join public.generations as g on g.task_id = t.id
    where t.status = 'Complete'
      and t.id = any (p_task_ids)
      and g.location is distinct from coalesce(t.file_location, t.output_location)
    order by t.id
    for no key update of t skip locked
  ) as w;

  if p_task_ids is null then
    select array_agg(d.id)
    into v_doubtful
    from (
      select t.id
      from public.tasks as t
        left join public.generations as g on g.task_id = t.id
      where t.status = 'Complete'
        and case
          when g.id is not null then g.location is distinct from coalesce(t.file_location, t.output_location)
          else t.generation_created and fairlane_core.creates_generation(t.task_type, t.params)
        end
      order by t.id
      limit p_limit
    ) as d;
  end if;

  if not coalesce(p_dry_run, false) then
    perform fairlane_core.set_event_context('fairlane_core.repair_generations');
    update public.tasks as t set generation_created = true where t.id = any (v_missing) and not t.generation_created;
    perform fairlane_core.record_generations(v_missing || v_torn);
    insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason)
    select
      t.id, t.user_id, fairlane_core.now(), t.status, t.status, t.worker_id, t.attempts, 'fairlane_core.repair_generations',
      case when t.id = any (v_missing) then 'its result record was missing, and was created' else 'its result record named another result, and was repaired' end
    from public.tasks as t
    where t.id = any (v_missing || v_torn);
    perform fairlane_core.set_event_context(null);
  end if;

  return json_build_object(
    'missing', coalesce(cardinality(v_missing), 0),
    'torn', coalesce(cardinality(v_torn), 0),
    'task_ids', to_json(coalesce(v_missing || v_torn, v_missing, v_torn, array[]::uuid[])),
    'doubtful_ids', to_json(coalesce(v_doubtful, array[]::uuid[])),
    -- Possibly: one more call finds out.
    'has_more', p_task_ids is null and coalesce(cardinality(v_missing) >= p_limit, false),
    'dry_run', coalesce(p_dry_run, false)
  );
end;
$$;

create function fairlane_core.record_generations(p_task_ids uuid[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  insert into public.generations (
    task_id, project_id, user_id, type, location, thumbnail_url, params, created_at,
    parent_generation_id, child_order, is_child, based_on
  )
  select
    t.id, t.project_id, t.user_id, y.content_type, coalesce(t.file_location, t.output_location), t.thumbnail_url,
    fairlane_core.without_secrets(t.params),
    coalesce(t.generation_processed_at, t.updated_at, t.created_at), -- old rows may lack the first two
    l.parent_generation_id, l.child_order, l.parent_generation_id is not null, l.based_on
  from public.tasks as t
    left join public.task_types as y on y.name = t.task_type
    cross join lateral fairlane_core.generation_links(t.id, t.user_id, t.params) as l
  where t.id = any (p_task_ids)
    and t.status = 'Complete'
    and t.generation_created
    -- A child that is Complete because of another one has no result of its own.
    and not exists (select from fairlane_core.subtasks as s where s.task_id = t.id and s.replaced_by is not null)
  on conflict (task_id) do update
    set location = excluded.location,
      thumbnail_url = excluded.thumbnail_url,
      params = excluded.params;
end;
$$;

create function fairlane_core.creates_generation(p_task_type text, p_params jsonb)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
begin
  return exists (
    select from public.task_types as y
    where y.name = p_task_type
      and y.creates_generation
  ) and p_params ->> 'skip_generation' is distinct from 'true';
end;
$$;

create function fairlane_core.generation_links(
  p_task_id uuid, p_user_id uuid, p_params jsonb,
  out parent_generation_id uuid, out child_order integer, out based_on uuid
)
returns record language plpgsql stable security invoker set search_path = '' as $$
declare
  v_uuid constant text := '^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$';
  v_part fairlane_core.subtasks;
  v_parent uuid := substring(p_params ->> 'parent_generation_id' from v_uuid)::uuid;
  v_based_on uuid := substring(p_params ->> 'based_on' from v_uuid)::uuid;
begin
  select s.* into v_part from fairlane_core.subtasks as s where s.task_id = p_task_id and s.final_rank in (1, 2);

  if v_parent is null and v_part.task_id is not null then
    select substring(o.params ->> 'parent_generation_id' from v_uuid)::uuid
    into v_parent
    from public.tasks as o
    where o.id = v_part.orchestrator_id
      and o.user_id = p_user_id;
  end if;

  if v_parent is not null then
    select g.id into parent_generation_id from public.generations as g where g.id = v_parent and g.user_id = p_user_id;
  end if;
  if v_based_on is not null then
    select g.id into based_on from public.generations as g where g.id = v_based_on and g.user_id = p_user_id;
  end if;
  child_order := case
    when parent_generation_id is not null
      then coalesce(
        substring(p_params ->> 'child_order' from '^[0-9]{1,9}$')::integer,
        v_part.part_index,
        substring(p_params ->> fairlane_core.place_key() from '^[0-9]{1,9}$')::integer
      )
  end;
end;
$$;

create function fairlane_core.upload_target(p_caller jsonb, p_task_id uuid, p_lease_token uuid)
returns json language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task public.tasks := fairlane_core.lock_task_for(v_caller, p_task_id);
begin
  if p_lease_token is not null then
    perform fairlane_core.refuse_stale_lease(v_task, p_lease_token);
  end if;

  -- A caller with a file for the task has the task: the same proof as any other report.
  if v_task.status = 'In Progress' then
    update public.tasks as t
    set delivered_at = coalesce(t.delivered_at, fairlane_core.now()),
      reported_at = fairlane_core.now()
    where t.id = v_task.id;
  end if;

  return json_build_object(
    'task_id', v_task.id,
    'user_id', v_task.user_id,
    'status', v_task.status,
    'attempt', v_task.attempts,
    -- The states from which a task can become Complete, see fairlane_core.complete_task.
    'is_open', v_task.status = 'In Progress' or (v_task.status = 'Queued' and v_task.claimed_at is not null)
  );
end;
$$;

create function fairlane_core.files_to_sweep(p_caller jsonb, p_after text)
returns json language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = on as $$
declare
  v_page_size constant integer := 1000;
  v_uuid constant text := '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
  v_path constant text := v_uuid || '/tasks/' || v_uuid || '/[A-Za-z0-9._/-]+';
  v_before constant timestamptz := pg_catalog.now() - interval '1 day'; -- the clock of Storage
  v_names text[];
  v_last text;
  v_looked integer := 0;
begin
  perform fairlane_core.resolve_caller(p_caller, array['service']);

  if to_regclass('storage.objects') is not null then
    with page as materialized (
      select o.name, o.created_at, o.updated_at
      from storage.objects as o
      where o.bucket_id = 'image_uploads'
        and o.name > coalesce(p_after, '')
      order by o.name
      limit v_page_size
    ),
    files as (
      select p.name, split_part(p.name, '/', 3)::uuid as task_id
      from page as p
      where p.name ~ ('^' || v_path || '$')
        and greatest(p.created_at, p.updated_at) < v_before
    )
    select
      array_agg(f.name order by f.name) filter (where t.id is null or t.status in ('Failed', 'Cancelled')),
      (select max(p.name) from page as p),
      (select count(*) from page as p)
    into v_names, v_last, v_looked
    from files as f
      left join public.tasks as t on t.id = f.task_id;
  end if;

  if v_names is not null then
    with texts (said) as (
      select s.said
      from public.tasks as t
        cross join lateral (
          values (t.output_location), (t.file_location), (t.thumbnail_url), (t.result_data::text),
            (case when t.readiness is not null then t.params::text end)
        ) as s (said)
      union all
      select s.said
      from public.generations as g
        cross join lateral (values (g.location), (g.thumbnail_url), (g.params::text)) as s (said)
    ),
    named as (
      select m.found[1] as name
      from texts as x
        cross join lateral regexp_matches(x.said, '(' || v_path || ')', 'g') as m (found)
      where strpos(x.said, '/tasks/') > 0
    )
    select array_agg(f.name order by f.name)
    into v_names
    from unnest(v_names) as f (name)
    where f.name not in (select n.name from named as n);
  end if;

  return json_build_object(
    'files', to_json(coalesce(v_names, array[]::text[])),
    'next', case when v_looked = v_page_size then v_last end
  );
end;
$$;

create function fairlane_core.make_bucket()
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  if to_regclass('storage.buckets') is null then
    return;
  end if;

  insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
  values (
    'image_uploads', 'image_uploads', true, 524288000,
    array[
      'image/png', 'image/jpeg', 'image/jpg', 'image/webp', 'image/gif', 'image/avif', 'image/bmp', 'image/tiff',
      'video/mp4', 'video/webm', 'video/quicktime', 'video/x-msvideo', 'video/vnd.avi', 'video/x-matroska', 'video/matroska',
      'video/x-m4v', 'video/mpeg',
      'application/octet-stream'
    ]
  )
  on conflict (id) do nothing;
end;
$$;

create function fairlane_core.settle_families(p_task_ids uuid[], p_from text[], p_to text[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_changes fairlane_core.family_change[];
  v_change fairlane_core.family_change;
  v_cancelled uuid[];
  v_failed uuid[];
begin
  -- Most tasks have no family. Each by key, as in fairlane_core.lock_relatives_of.
  if not exists (
      select
      from unnest(p_task_ids) as i (id)
        cross join lateral (
          select from fairlane_core.subtasks as s where s.task_id = i.id
          union all
          select from fairlane_core.orchestrations as o where o.orchestrator_id = i.id
          offset 0
        ) as f
    ) then
    return;
  end if;

  with change as (
    select
      c.orchestrator_id,
      sum((m.new_status in ('Queued', 'In Progress'))::integer - (m.old_status in ('Queued', 'In Progress'))::integer)::integer as open,
      sum((m.new_status = 'Complete')::integer - (m.old_status = 'Complete')::integer)::integer as complete,
      sum((m.new_status = 'Failed')::integer - (m.old_status = 'Failed')::integer)::integer as failed,
      sum((m.new_status = 'Cancelled')::integer - (m.old_status = 'Cancelled')::integer)::integer as cancelled
    from unnest(p_task_ids, p_from, p_to) as m (task_id, old_status, new_status)
      -- One child by key: a join may compare every pair.
      cross join lateral (
        select s.orchestrator_id, s.user_id
        from fairlane_core.subtasks as s
        where s.task_id = m.task_id
          and s.replaced_by is null
        limit 1
      ) as c
    where exists (
      select from fairlane_core.orchestrations as o where o.orchestrator_id = c.orchestrator_id and o.user_id = c.user_id
    )
    group by c.orchestrator_id
  )
  select array_agg((c.orchestrator_id, c.open, c.complete, c.failed, c.cancelled)::fairlane_core.family_change order by c.orchestrator_id)
  into v_changes
  from change as c;

  with ended as (
    update fairlane_core.orchestrations as o
    set ended_as = case when m.new_status in ('Complete', 'Failed', 'Cancelled') then m.new_status end
    from unnest(p_task_ids, p_to) as m (task_id, new_status)
    where o.orchestrator_id = m.task_id
    returning o.orchestrator_id, o.user_id, o.ended_as
  )
  select
    array_agg(e.orchestrator_id) filter (where e.ended_as = 'Cancelled'),
    array_agg(e.orchestrator_id) filter (where e.ended_as = 'Failed')
  into v_cancelled, v_failed
  from ended as e
  where e.ended_as in ('Cancelled', 'Failed')
    and e.user_id = (select t.user_id from public.tasks as t where t.id = e.orchestrator_id);

  if v_changes is not null then
    foreach v_change in array v_changes loop
      update fairlane_core.orchestrations as o
      set open_count = o.open_count + v_change.open,
        complete_count = o.complete_count + v_change.complete,
        failed_count = o.failed_count + v_change.failed,
        cancelled_count = o.cancelled_count + v_change.cancelled,
        changed_at = fairlane_core.now()
      where o.orchestrator_id = v_change.orchestrator_id;
    end loop;
    foreach v_change in array v_changes loop
      perform fairlane_core.finish_orchestrator(v_change.orchestrator_id);
    end loop;
  end if;

  if v_cancelled is not null then
    perform fairlane_core.cancel_children(v_cancelled, 'Cancelled');
  end if;
  if v_failed is not null then
    perform fairlane_core.fail_children(v_failed);
  end if;
end;
$$;

create function fairlane_core.cancel_children(p_orchestrator_ids uuid[], p_what text)
returns integer language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_most constant integer := 100;
  v_ends fairlane_core.task_end[];
begin
  if (
    select count(*)
    from (
      select
      from unnest(p_orchestrator_ids) as o (id)
        cross join lateral unnest(fairlane_core.next_relatives(o.id, true, null, v_most + 1))
      limit v_most + 1
    ) as n
  ) > v_most then
    insert into fairlane_core.deferred_work (kind, task_id, user_id, status, since)
    select 'children', o.orchestrator_id, o.user_id, p_what, fairlane_core.now()
    from fairlane_core.orchestrations as o
    where o.orchestrator_id = any (p_orchestrator_ids)
      and not exists (
        select from fairlane_core.deferred_work as w where w.task_id = o.orchestrator_id and w.kind = 'children' and w.only_id is null
      );
    return 0;
  end if;

  select array_agg((
    c.id, c.user_id, 'Cancelled',
    pg_catalog.format('Cascaded failed from related task %s: its orchestrator was %s', c.orchestrator_id, p_what)
  )::fairlane_core.task_end)
  into v_ends
  from (
    select t.id, t.user_id, s.orchestrator_id
    from fairlane_core.subtasks as s
      join fairlane_core.orchestrations as o on o.orchestrator_id = s.orchestrator_id and o.user_id = s.user_id
      join public.tasks as t on t.id = s.task_id and t.user_id = s.user_id
    where s.orchestrator_id = any (p_orchestrator_ids)
      and t.status in ('Queued', 'In Progress')
    order by t.id
    for no key update of t skip locked
  ) as c;

  if v_ends is null then
    return 0;
  end if;
  perform fairlane_core.end_tasks(v_ends);
  return cardinality(v_ends);
end;
$$;

create function fairlane_core.fail_children(p_orchestrator_ids uuid[], p_is_late boolean default false)
returns integer language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_most constant integer := 100;
  v_orchestrator record;
  v_mine uuid[];
  v_count integer := 0;
begin
  if not (select s.fails_siblings from fairlane_core.settings as s) then
    return 0;
  end if;

  for v_orchestrator in
    select o.orchestrator_id, o.user_id, pg_catalog.left(nullif(t.error_message, ''), 500) as reason,
      -- The child that is the cause, as recorded for the orchestrator (fairlane_core.finish_orchestrator).
      coalesce(
        substring(t.error_message from '^Cascaded failed from related task ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})')::uuid,
        o.orchestrator_id
      ) as root_id
    from fairlane_core.orchestrations as o
      join public.tasks as t on t.id = o.orchestrator_id and t.user_id = o.user_id
    where o.orchestrator_id = any (p_orchestrator_ids)
      and t.status = 'Failed'
    order by o.orchestrator_id
  loop
    -- A row of deferred work covers all of its children; one is enough.
    continue when exists (
      select from fairlane_core.deferred_work as w where w.task_id = v_orchestrator.orchestrator_id and w.kind = 'siblings' and w.only_id is null
    );
    if cardinality(fairlane_core.next_relatives(v_orchestrator.orchestrator_id, true, null, v_most + 1)) > v_most then
      -- When it runs late, the only children left may be running, or requeued by an operator.
      if not p_is_late or exists (
        select
        from fairlane_core.subtasks as s
          join public.tasks as t on t.id = s.task_id
        where s.orchestrator_id = v_orchestrator.orchestrator_id
          and t.status = 'Queued'
          and t.requeue_count = 0
      ) then
        insert into fairlane_core.deferred_work (kind, task_id, user_id, status, root_id, reason, since)
        values (
          'siblings', v_orchestrator.orchestrator_id, v_orchestrator.user_id, 'Failed', v_orchestrator.root_id,
          v_orchestrator.reason, fairlane_core.now()
        );
      end if;
      continue;
    end if;

    v_mine := array(
      select t.id
      from fairlane_core.subtasks as s
        join public.tasks as t on t.id = s.task_id and t.user_id = s.user_id
      where s.orchestrator_id = v_orchestrator.orchestrator_id
        and s.user_id = v_orchestrator.user_id
        and t.status = 'Queued'
        and not (p_is_late and t.requeue_count > 0)
      order by t.id
      for no key update of t skip locked
    );
    insert into fairlane_core.deferred_work (kind, task_id, user_id, status, root_id, reason, only_id, since)
    select
      'siblings', v_orchestrator.orchestrator_id, v_orchestrator.user_id, 'Failed', v_orchestrator.root_id,
      v_orchestrator.reason, t.id, fairlane_core.now()
    from fairlane_core.subtasks as s
      join public.tasks as t on t.id = s.task_id and t.user_id = s.user_id
    where s.orchestrator_id = v_orchestrator.orchestrator_id
      and s.user_id = v_orchestrator.user_id
      and t.status = 'Queued'
      and t.id <> all (v_mine)
      and not p_is_late;
    perform fairlane_core.end_siblings(v_mine, v_orchestrator.user_id, v_orchestrator.orchestrator_id, v_orchestrator.root_id, v_orchestrator.reason);
    v_count := v_count + cardinality(v_mine);
  end loop;
  return v_count;
end;
$$;

create function fairlane_core.end_siblings(p_task_ids uuid[], p_user_id uuid, p_orchestrator_id uuid, p_root_id uuid, p_reason text)
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  if cardinality(p_task_ids) > 0 then
    insert into fairlane_core.deferred_work (kind, task_id, user_id, status, root_id, reason, since)
    select 'lost', m.id, p_user_id, 'Failed', p_root_id, p_reason, fairlane_core.now()
    from unnest(p_task_ids) as m (id)
    where exists (
      select from fairlane_core.task_dependencies as d where d.depends_on = m.id and d.task_id <> all (p_task_ids)
    );
    perform fairlane_core.end_tasks(array(
      select (
        m.id, p_user_id, 'Failed',
        pg_catalog.format(
          'Cascaded failed from related task %s: orchestrator %s has Failed%s', p_root_id, p_orchestrator_id,
          ' (' || p_reason || ')'
        )
      )::fairlane_core.task_end
      from unnest(p_task_ids) as m (id)
    ), p_in_turn => true);
  end if;
end;
$$;

create function fairlane_core.join_families(p_task_ids uuid[], p_children fairlane_core.subtasks[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_children uuid[];
  v_orchestrators uuid[];
  v_missing uuid[];
  v_child_id uuid;
  v_orchestrator_id uuid;
  v_orphaned fairlane_core.task_end[];
begin
  -- In the order of their parts; within one statement the order of arrival is unknown.
  insert into fairlane_core.subtasks (task_id, orchestrator_id, user_id, task_type, final_rank, part_index)
  select c.task_id, c.orchestrator_id, c.user_id, c.task_type, c.final_rank, c.part_index
  from unnest(p_children) as c
  order by c.final_rank, c.part_index, c.task_id
  on conflict do nothing;

  select array_agg(c.task_id), array_agg(distinct c.orchestrator_id)
  into v_children, v_orchestrators
  from unnest(p_children) as c;

  update fairlane_core.orchestrations as o
  set open_count = o.open_count + n.open,
    complete_count = o.complete_count + n.complete,
    failed_count = o.failed_count + n.failed,
    cancelled_count = o.cancelled_count + n.cancelled,
    part_count = o.part_count + n.parts,
    merge_count = o.merge_count + n.merges,
    final_count = o.final_count + n.finals,
    changed_at = fairlane_core.now()
  from (
    select
      c.orchestrator_id, c.user_id,
      count(*) filter (where t.status in ('Queued', 'In Progress')) as open,
      count(*) filter (where t.status = 'Complete') as complete,
      count(*) filter (where t.status = 'Failed') as failed,
      count(*) filter (where t.status = 'Cancelled') as cancelled,
      count(*) filter (where c.final_rank = 1) as parts,
      count(*) filter (where c.final_rank = 2) as merges,
      count(*) filter (where c.final_rank = 3) as finals
    from unnest(p_children) as c
      join public.tasks as t on t.id = c.task_id
    group by 1, 2
  ) as n
  where o.orchestrator_id = n.orchestrator_id
    and o.user_id = n.user_id;

  -- A family's first children, or an orchestrator that arrives after them.
  select array_agg(m.id)
  into v_missing
  from (
    select c.id from unnest(v_orchestrators) as c (id)
    union
    select n.id
    from unnest(p_task_ids) as n (id)
    where exists (select from fairlane_core.subtasks as s where s.orchestrator_id = n.id)
  ) as m
  where not exists (select from fairlane_core.orchestrations as o where o.orchestrator_id = m.id);
  if v_missing is not null then
    insert into fairlane_core.orchestrations
    select r.* from fairlane_core.recount_families(v_missing) as r
    on conflict do nothing;
  end if;

  for v_child_id in
    select n.task_id
    from fairlane_core.subtasks as n
    where n.task_id = any (v_children)
      and (select t.status = 'Queued' from public.tasks as t where t.id = n.task_id)
      and exists (select from fairlane_core.orchestrations as o where o.orchestrator_id = n.orchestrator_id and o.user_id = n.user_id)
      and exists (
        select
        from fairlane_core.subtasks as s
        where s.orchestrator_id = n.orchestrator_id
          and s.user_id = n.user_id
          and s.final_rank = n.final_rank
          and s.part_index = n.part_index
          and s.replaced_by is null
          and s.seq < n.seq
      )
    order by n.seq
  loop
    perform fairlane_core.replace_part(v_child_id);
  end loop;

  -- Too late for a cancelled orchestrator, and for a failed one if its children fail with it: a regrouped child that
  -- already runs is not ended.
  select array_agg((
    s.task_id, s.user_id, o.ended_as,
    pg_catalog.format(
      'Cascaded failed from related task %s: it %s before this child came', s.orchestrator_id,
      case o.ended_as when 'Failed' then 'had Failed' else 'was Cancelled' end
    )
  )::fairlane_core.task_end)
  into v_orphaned
  from fairlane_core.subtasks as s
    join fairlane_core.orchestrations as o on o.orchestrator_id = s.orchestrator_id and o.user_id = s.user_id
  where s.task_id = any (v_children)
    and s.replaced_by is null
    and (
      o.ended_as = 'Cancelled'
      or (
        o.ended_as = 'Failed'
        and (select g.fails_siblings from fairlane_core.settings as g)
        and (select t.status = 'Queued' from public.tasks as t where t.id = s.task_id)
      )
    );
  if v_orphaned is not null then
    perform fairlane_core.end_tasks(v_orphaned);
  end if;

  for v_orchestrator_id in select o.id from unnest(v_orchestrators || v_missing) as o (id) order by o.id loop
    perform fairlane_core.finish_orchestrator(v_orchestrator_id);
  end loop;
end;
$$;

create function fairlane_core.leave_families(p_task_ids uuid[], p_statuses text[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_orchestrators uuid[];
  v_orchestrator_id uuid;
begin
  v_orchestrators := fairlane_core.take_out_children(p_task_ids, p_statuses);

  perform fairlane_core.cancel_children(p_task_ids, 'deleted');
  delete from fairlane_core.orchestrations as o where o.orchestrator_id = any (p_task_ids);

  foreach v_orchestrator_id in array v_orchestrators loop
    perform fairlane_core.finish_orchestrator(v_orchestrator_id);
    perform fairlane_core.cancel_childless(v_orchestrator_id, 'all children were deleted');
  end loop;
end;
$$;

create function fairlane_core.regroup(p_task_ids uuid[])
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_statuses text[];
  v_children fairlane_core.subtasks[];
  v_left uuid[];
  v_orchestrator_id uuid;
begin
  select array_agg(t.status order by i.place)
  into v_statuses
  from unnest(p_task_ids) with ordinality as i (id, place)
    left join public.tasks as t on t.id = i.id;

  v_left := fairlane_core.take_out_children(p_task_ids, v_statuses);

  select array_agg(c.child)
  into v_children
  from (
    select fairlane_core.subtask_of(t.id, t.user_id, t.task_type, t.params) as child
    from public.tasks as t
    where t.id = any (p_task_ids)
  ) as c
  where (c.child).task_id is not null;
  if v_children is not null then
    perform fairlane_core.join_families(null, v_children);
  end if;

  foreach v_orchestrator_id in array v_left loop
    perform fairlane_core.finish_orchestrator(v_orchestrator_id);
    perform fairlane_core.cancel_childless(v_orchestrator_id, 'all children were taken away from it');
  end loop;
end;
$$;

create function fairlane_core.subtask_of(p_task_id uuid, p_user_id uuid, p_task_type text, p_params jsonb)
returns fairlane_core.subtasks language plpgsql immutable security invoker set search_path = '' as $$
declare
  v_orchestrator_id uuid := fairlane_core.parent_task_id(p_params);
  v_subtask fairlane_core.subtasks;
begin
  if v_orchestrator_id is null or v_orchestrator_id = p_task_id or p_user_id is null then
    return null;
  end if;

  v_subtask.task_id := p_task_id;
  v_subtask.orchestrator_id := v_orchestrator_id;
  v_subtask.user_id := p_user_id;
  v_subtask.task_type := p_task_type;
  select p.final_rank, p.part_index
  into v_subtask.final_rank, v_subtask.part_index
  from fairlane_core.part_of(p_task_type, p_params) as p;
  return v_subtask;
end;
$$;

create function fairlane_core.count_child(p_child fairlane_core.subtasks, p_status text, p_delta integer)
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  update fairlane_core.orchestrations as o
  set open_count = o.open_count + case when p_status in ('Queued', 'In Progress') then p_delta else 0 end,
    complete_count = o.complete_count + case when p_status = 'Complete' then p_delta else 0 end,
    failed_count = o.failed_count + case when p_status = 'Failed' then p_delta else 0 end,
    cancelled_count = o.cancelled_count + case when p_status = 'Cancelled' then p_delta else 0 end,
    part_count = o.part_count + case when p_child.final_rank = 1 then p_delta else 0 end,
    merge_count = o.merge_count + case when p_child.final_rank = 2 then p_delta else 0 end,
    final_count = o.final_count + case when p_child.final_rank = 3 then p_delta else 0 end,
    changed_at = fairlane_core.now()
  where o.orchestrator_id = p_child.orchestrator_id
    and o.user_id = p_child.user_id;
end;
$$;

create function fairlane_core.repair_orchestrations(p_limit integer default 100)
returns json language plpgsql volatile security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_quiet_before timestamptz := fairlane_core.now() - (select s.family_quiet_after from fairlane_core.settings as s);
  v_family record;
  v_ended_as text;
  v_complete integer := 0;
  v_failed integer := 0;
  v_cancelled integer := 0;
  v_children integer := 0;
  v_children_failed integer := 0;
begin
  perform fairlane_core.set_event_context('fairlane_core.repair_orchestrations');
  for v_family in
    select f.orchestrator_id, f.user_id, f.ended_as, f.is_quiet
    from (
      select o.orchestrator_id, o.user_id, o.ended_as, o.changed_at < v_quiet_before as is_quiet, o as family
      from fairlane_core.orchestrations as o
      where (
        o.ended_as is null
        and (o.failed_count > 0 or (o.open_count = 0 and o.complete_count + o.cancelled_count > 0))
      ) or (o.ended_as = 'Cancelled' and o.open_count > 0)
    ) as f
      join public.tasks as t on t.id = f.orchestrator_id and t.user_id = f.user_id
    where f.ended_as = 'Cancelled'
      or (t.status = 'In Progress' and fairlane_core.is_enqueued(f.family, t, f.is_quiet))
      or (t.status = 'Queued' and t.claimed_at is not null and (f.family).failed_count + (f.family).cancelled_count = 0
        and fairlane_core.is_enqueued(f.family, t, f.is_quiet))
    order by f.user_id, f.orchestrator_id
    limit p_limit
  loop
    perform from public.tasks as t where t.id = v_family.orchestrator_id for no key update skip locked;
    continue when not found;
    perform from fairlane_core.user_slots as s where s.user_id = v_family.user_id for no key update skip locked;
    continue when not found;

    if v_family.ended_as = 'Cancelled' then
      v_children := v_children + fairlane_core.cancel_children(array[v_family.orchestrator_id], 'Cancelled');
    else
      v_ended_as := fairlane_core.finish_orchestrator(v_family.orchestrator_id, v_family.is_quiet);
      v_complete := v_complete + coalesce(v_ended_as = 'Complete', false)::integer;
      v_failed := v_failed + coalesce(v_ended_as = 'Failed', false)::integer;
      v_cancelled := v_cancelled + coalesce(v_ended_as = 'Cancelled', false)::integer;
    end if;
  end loop;

  -- Children that were running when their family failed, and were requeued since.
  for v_family in
    select o.orchestrator_id, o.user_id
    from fairlane_core.orchestrations as o
    where o.ended_as = 'Failed'
      and o.open_count > 0
      and (select s.fails_siblings from fairlane_core.settings as s)
      and exists (
        select
        from fairlane_core.subtasks as k
        where k.orchestrator_id = o.orchestrator_id
          and (select t.status = 'Queued' and t.requeue_count = 0 from public.tasks as t where t.id = k.task_id)
      )
    order by o.user_id, o.orchestrator_id
    limit p_limit
  loop
    perform from fairlane_core.user_slots as s where s.user_id = v_family.user_id for no key update skip locked;
    continue when not found;
    v_children_failed := v_children_failed + fairlane_core.fail_children(array[v_family.orchestrator_id], true);
  end loop;
  perform fairlane_core.set_event_context(null);

  return json_build_object(
    'completed', v_complete, 'failed', v_failed, 'cancelled', v_cancelled, 'children_cancelled', v_children,
    'children_failed', v_children_failed
  );
end;
$$;

create function fairlane_core.reconcile_families(p_user_id uuid)
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  insert into fairlane_core.subtasks (task_id, orchestrator_id, user_id, task_type, final_rank, part_index)
  select c.task_id, c.orchestrator_id, c.user_id, c.task_type, c.final_rank, c.part_index
  from (
    select t.created_at, (fairlane_core.subtask_of(t.id, t.user_id, t.task_type, t.params)).*
    from public.tasks as t
    where t.user_id = p_user_id
      and t.readiness is not null
      and t.params ? fairlane_core.parent_key()
  ) as c
  where c.task_id is not null
  order by c.created_at, c.task_id
  on conflict (task_id) do update
    set orchestrator_id = excluded.orchestrator_id,
      task_type = excluded.task_type,
      final_rank = excluded.final_rank,
      part_index = excluded.part_index;

  insert into fairlane_core.orchestrations as o
  select r.*
  from fairlane_core.recount_families(array(
    select t.id
    from public.tasks as t
    where t.user_id = p_user_id
      and t.readiness is not null
      and exists (select from fairlane_core.subtasks as s where s.orchestrator_id = t.id)
    union
    select k.orchestrator_id from fairlane_core.orchestrations as k where k.user_id = p_user_id and k.ended_as is null
  )) as r
  on conflict (orchestrator_id) do update
    set user_id = excluded.user_id,
      open_count = excluded.open_count,
      complete_count = excluded.complete_count,
      failed_count = excluded.failed_count,
      cancelled_count = excluded.cancelled_count,
      part_count = excluded.part_count,
      merge_count = excluded.merge_count,
      final_count = excluded.final_count,
      ended_as = excluded.ended_as
    where (
      o.user_id, o.open_count, o.complete_count, o.failed_count, o.cancelled_count, o.part_count, o.merge_count, o.final_count, o.ended_as
    ) is distinct from (
      excluded.user_id, excluded.open_count, excluded.complete_count, excluded.failed_count, excluded.cancelled_count,
      excluded.part_count, excluded.merge_count, excluded.final_count, excluded.ended_as
    );

  delete from fairlane_core.orchestrations as o
  where o.user_id = p_user_id
    and o.ended_as is null
    and not exists (select from public.tasks as t where t.id = o.orchestrator_id and t.user_id = o.user_id);
end;
$$;

create function fairlane_core.recount_families(p_orchestrator_ids uuid[])
returns setof fairlane_core.orchestrations language plpgsql stable security invoker set search_path = '' as $$
begin
  return query
  select
    o.id, o.user_id,
    n.open_count, n.complete_count, n.failed_count, n.cancelled_count, n.part_count, n.merge_count, n.final_count,
    null::integer,
    case when o.status in ('Complete', 'Failed', 'Cancelled') then o.status end,
    fairlane_core.now()
  -- A join: `= any` of an empty array implies the predicate of every partial index, and one of them would be read
  -- whole.
  from unnest(p_orchestrator_ids) as f (id)
    join public.tasks as o on o.id = f.id
    cross join lateral (
      select
        (count(*) filter (where t.status in ('Queued', 'In Progress')))::integer as open_count,
        (count(*) filter (where t.status = 'Complete'))::integer as complete_count,
        (count(*) filter (where t.status = 'Failed'))::integer as failed_count,
        (count(*) filter (where t.status = 'Cancelled'))::integer as cancelled_count,
        (count(*) filter (where s.final_rank = 1))::integer as part_count,
        (count(*) filter (where s.final_rank = 2))::integer as merge_count,
        (count(*) filter (where s.final_rank = 3))::integer as final_count
      from fairlane_core.subtasks as s
        join public.tasks as t on t.id = s.task_id
      where s.orchestrator_id = o.id
        and s.user_id = o.user_id
        and s.replaced_by is null
    ) as n
  where exists (select from fairlane_core.subtasks as s where s.orchestrator_id = o.id and s.user_id = o.user_id);
end;
$$;

create function fairlane_core.note_enqueued(p_task_id uuid, p_report text default null)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_task public.tasks;
  v_had_children boolean;
  v_event constant text := coalesce(current_setting('fairlane_core.event', true), '');
begin
  select t.* into v_task from public.tasks as t where t.id = p_task_id;
  if v_task.user_id is null
    or (
      v_task.takes_slot and not (fairlane_core.has_nothing_to_enqueue(p_report) and v_task.task_type like '%orchestrat%')
      and not exists (select from fairlane_core.orchestrations as o where o.orchestrator_id = p_task_id)
    ) then
    return; -- not an orchestrator
  end if;

  perform from fairlane_core.user_slots as s where s.user_id = v_task.user_id for no key update;
  if fairlane_core.has_nothing_to_enqueue(p_report) and v_task.status = 'In Progress' and not exists (
    select from fairlane_core.subtasks as s where s.orchestrator_id = v_task.id and s.user_id = v_task.user_id
  ) then
    perform fairlane_core.set_event_context(fairlane_core.actor(), 'it has nothing to enqueue', jsonb_build_object('report', p_report));
    update public.tasks as t
    set status = 'Complete', output_location = null, error_message = null
    where t.id = v_task.id;
    perform set_config('fairlane_core.event', v_event, true);
    return;
  end if;

  -- Families are counted from their first child on.
  v_had_children := exists (
    select from fairlane_core.orchestrations as o where o.orchestrator_id = v_task.id and o.enqueued_attempt is null
  );
  insert into fairlane_core.orchestrations as o (orchestrator_id, user_id, enqueued_attempt, changed_at)
  values (v_task.id, v_task.user_id, v_task.attempts, fairlane_core.now())
  on conflict (orchestrator_id) do update
    set enqueued_attempt = excluded.enqueued_attempt,
      changed_at = excluded.changed_at
    where o.enqueued_attempt is distinct from excluded.enqueued_attempt;
  perform fairlane_core.finish_orchestrator(p_task_id);
  if v_had_children and fairlane_core.has_enqueued(p_report) then
    perform fairlane_core.cancel_childless(p_task_id, 'all children were deleted');
  end if;
end;
$$;

create function fairlane_core.finish_orchestrator(p_orchestrator_id uuid, p_is_quiet boolean default false)
returns text language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_look constant integer := 1000;
  v_family fairlane_core.orchestrations;
  v_task public.tasks;
  v_verdict text;
  v_final_id uuid;
  v_child public.tasks;
begin
  select o.* into v_family from fairlane_core.orchestrations as o where o.orchestrator_id = p_orchestrator_id;
  if v_family.orchestrator_id is null or v_family.ended_as is not null then
    return null;
  end if;
  select t.* into v_task from public.tasks as t where t.id = p_orchestrator_id;
  -- An orchestrator that has enqueued everything, or has said so in this attempt while there are no children, needs no
  -- worker any more, and frees its orchestration slot. Children that do not exist decide nothing
  -- (fairlane_core.is_enqueued).
  if v_task.readiness = 'active' and not v_task.takes_slot
    and not fairlane_core.is_handed_over(v_task.id, v_task.lease_token)
    and (v_family.enqueued_attempt = v_task.attempts or fairlane_core.is_enqueued(v_family, v_task)) then
    perform fairlane_core.hand_over(v_task);
  end if;

  v_verdict := case
    when v_family.failed_count > 0 then 'Failed'
    when v_family.open_count > 0 then null
    when v_family.cancelled_count > 0 then 'Cancelled'
    when v_family.complete_count > 0 then 'Complete'
  end;
  if v_verdict is null then
    return null;
  end if;

  -- A requeued orchestrator waits for a worker to go on; it ends without one only if nothing is left to do.
  if not (v_task.status = 'In Progress' or (v_task.status = 'Queued' and v_task.claimed_at is not null and v_verdict = 'Complete'))
    or not fairlane_core.is_enqueued(v_family, v_task, p_is_quiet) then
    return null;
  end if;

  if v_verdict = 'Complete' then
    -- The first entry of an index, however many children there are.
    select s.task_id
    into v_final_id
    from fairlane_core.subtasks as s
    where s.orchestrator_id = p_orchestrator_id
      and s.user_id = v_family.user_id
      and s.replaced_by is null
    order by s.final_rank desc, s.part_index desc nulls last, s.seq desc
    limit 1;
    select t.* into v_child from public.tasks as t where t.id = v_final_id;
    -- A part's text is meant for its neighbours; the family shows the file.
    v_child.output_location := coalesce(v_child.file_location, v_child.output_location);
    v_child.file_location := null;
    perform fairlane_core.complete_for(v_task.id, v_child, 'all of its children are complete');
    return v_verdict;
  end if;

  -- The child that is the cause, not one that ended because of it. With very many children it is searched among the
  -- latest to change and a thousand others: an end costs the same however many there are.
  select t.*
  into v_child
  from (
      (
        select e.task_id
        from (
          select x.task_id from public.task_events as x where x.user_id = v_family.user_id order by x.id desc limit v_look
        ) as e
      )
      union
      (select k.task_id from fairlane_core.subtasks as k where k.orchestrator_id = p_orchestrator_id order by k.task_id limit v_look)
    ) as c
    join fairlane_core.subtasks as s on s.task_id = c.task_id
    join public.tasks as t on t.id = s.task_id
  where s.orchestrator_id = p_orchestrator_id
    and s.user_id = v_family.user_id
    and s.replaced_by is null
    and t.status = v_verdict
  order by t.error_message like 'Cascaded failed from%', s.seq
  limit 1;
  perform fairlane_core.end_tasks(array[(
    v_task.id, v_task.user_id, v_verdict,
    pg_catalog.format(
      'Cascaded failed from related task %s: %s', coalesce(v_child.id::text, 'among its children'),
      concat_ws(': ', coalesce(v_child.task_type || ' ' || v_child.status, v_verdict), pg_catalog.left(nullif(v_child.error_message, ''), 500))
    )
  )::fairlane_core.task_end]);
  return v_verdict;
end;
$$;

create function fairlane_core.complete_for(p_task_id uuid, p_source public.tasks, p_reason text)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_event constant text := coalesce(current_setting('fairlane_core.event', true), '');
begin
  perform fairlane_core.set_event_context(fairlane_core.actor(), p_reason, jsonb_build_object('result_of', p_source.id));
  update public.tasks as t
  set status = 'Complete',
    output_location = p_source.output_location,
    file_location = p_source.file_location,
    thumbnail_url = coalesce(p_source.thumbnail_url, t.thumbnail_url),
    error_message = null
  where t.id = p_task_id;
  perform set_config('fairlane_core.event', v_event, true);
end;
$$;

create function fairlane_core.cancel_childless(p_orchestrator_id uuid, p_reason text)
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  perform fairlane_core.end_tasks(array_agg((t.id, t.user_id, 'Cancelled', p_reason)::fairlane_core.task_end))
  from fairlane_core.orchestrations as o
    join public.tasks as t on t.id = o.orchestrator_id and t.user_id = o.user_id
  where o.orchestrator_id = p_orchestrator_id
    and o.ended_as is null
    and o.enqueued_attempt = t.attempts
    and o.open_count + o.complete_count + o.failed_count + o.cancelled_count = 0
    and t.status = 'In Progress'
  having count(*) > 0;
end;
$$;

create function fairlane_core.is_waiting_for_children(p_task public.tasks)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
declare
  v_family fairlane_core.orchestrations;
begin
  select o.* into v_family from fairlane_core.orchestrations as o where o.orchestrator_id = p_task.id;
  return v_family.orchestrator_id is not null and fairlane_core.is_enqueued(v_family, p_task);
end;
$$;

create function fairlane_core.is_enqueued(p_family fairlane_core.orchestrations, p_task public.tasks, p_is_quiet boolean default false)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
begin
  if p_family.open_count + p_family.complete_count + p_family.failed_count + p_family.cancelled_count = 0 then
    return false;
  elsif p_family.enqueued_attempt = p_task.attempts then
    return true;
  end if;
  return fairlane_core.has_expected_children(p_family, p_task.params, p_is_quiet);
end;
$$;

create function fairlane_core.replace_part(p_task_id uuid)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_new fairlane_core.subtasks;
  v_old fairlane_core.subtasks;
  v_old_task public.tasks;
begin
  select s.* into v_new from fairlane_core.subtasks as s where s.task_id = p_task_id;

  select s.*
  into v_old
  from fairlane_core.subtasks as s
  where s.orchestrator_id = v_new.orchestrator_id
    and s.final_rank = v_new.final_rank
    and s.part_index = v_new.part_index
    and s.task_type = v_new.task_type
    and s.user_id = v_new.user_id
    and s.replaced_by is null
    and s.seq < v_new.seq
  order by s.seq desc
  limit 1;

  if v_old.task_id is null then
    return;
  end if;

  select t.* into v_old_task from public.tasks as t where t.id = v_old.task_id;
  -- A task that waits for the old one cannot replace it.
  if v_old_task.id is null or fairlane_core.waits_for(v_new.task_id, v_old.task_id, v_new.user_id) then
    return;
  end if;

  if v_old_task.status = 'Complete' then
    update fairlane_core.subtasks as s set replaced_by = v_old.task_id where s.task_id = v_new.task_id;
    perform fairlane_core.count_child(v_new, 'Queued', -1);
    -- Proof of an attempt, which a result needs.
    update public.tasks as t set claimed_at = fairlane_core.now() where t.id = v_new.task_id;
    perform fairlane_core.complete_for(
      v_new.task_id, v_old_task, pg_catalog.format('the same part is Complete already, as task %s', v_old.task_id)
    );
    update public.tasks as t set generation_created = false where t.id = v_new.task_id;
    return;
  end if;

  update fairlane_core.subtasks as s
  set replaced_by = v_new.task_id
  where s.task_id = v_old.task_id or s.replaced_by = v_old.task_id;
  perform fairlane_core.count_child(v_old, v_old_task.status, -1);
  perform fairlane_core.move_dependents(v_old.task_id, v_new.task_id, v_new.user_id);
  perform fairlane_core.end_tasks(array[(
    v_old.task_id, v_old.user_id, 'Cancelled', pg_catalog.format('replaced by %s', v_new.task_id)
  )::fairlane_core.task_end]);
end;
$$;

create function fairlane_core.take_out_children(p_task_ids uuid[], p_statuses text[])
returns uuid[] language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_gone record;
  v_heir fairlane_core.subtasks;
  v_heir_task public.tasks;
  v_orchestrators uuid[];
begin
  -- A complete family stays complete when one of its parts is removed: nobody will enqueue that part again.
  update fairlane_core.orchestrations as o
  set enqueued_attempt = t.attempts
  from public.tasks as t
  where o.orchestrator_id = any (array(
      select s.orchestrator_id
      from unnest(p_task_ids) as i (id)
        cross join lateral (
          select c.orchestrator_id from fairlane_core.subtasks as c where c.task_id = i.id and c.replaced_by is null offset 0
        ) as s
    ))
    and o.ended_as is null
    and t.id = o.orchestrator_id
    and t.status = 'In Progress'
    and o.enqueued_attempt is distinct from t.attempts
    and fairlane_core.is_enqueued(o, t);

  -- One child by key: a join may compare every pair.
  with gone as materialized (
    select c.orchestrator_id, c.user_id, c.final_rank, g.status
    from unnest(p_task_ids, p_statuses) as g (task_id, status)
      cross join lateral (
        select s.* from fairlane_core.subtasks as s where s.task_id = g.task_id and s.replaced_by is null limit 1
      ) as c
  ),
  change as materialized (
    select
      g.orchestrator_id,
      g.user_id,
      count(*) filter (where g.status in ('Queued', 'In Progress'))::integer as open,
      count(*) filter (where g.status = 'Complete')::integer as complete,
      count(*) filter (where g.status = 'Failed')::integer as failed,
      count(*) filter (where g.status = 'Cancelled')::integer as cancelled,
      count(*) filter (where g.final_rank = 1)::integer as parts,
      count(*) filter (where g.final_rank = 2)::integer as merges,
      count(*) filter (where g.final_rank = 3)::integer as finals
    from gone as g
    group by g.orchestrator_id, g.user_id
  ),
  -- Each family once, however many children leave: every update leaves a row version that the next one has to skip.
  counted as (
    update fairlane_core.orchestrations as o
    set open_count = o.open_count - c.open,
      complete_count = o.complete_count - c.complete,
      failed_count = o.failed_count - c.failed,
      cancelled_count = o.cancelled_count - c.cancelled,
      part_count = o.part_count - c.parts,
      merge_count = o.merge_count - c.merges,
      final_count = o.final_count - c.finals,
      changed_at = fairlane_core.now()
    from change as c
    where o.orchestrator_id = c.orchestrator_id
      and o.user_id = c.user_id
  )
  select array_agg(distinct c.orchestrator_id order by c.orchestrator_id) into v_orchestrators from change as c;

  -- Most have neither replaced another child nor been replaced.
  delete from fairlane_core.subtasks as s
  where s.task_id = any (p_task_ids)
    and s.replaced_by is null
    and not exists (select from fairlane_core.subtasks as r where r.replaced_by = s.task_id);

  for v_gone in
    select c.child, o.ended_as
    from unnest(p_task_ids) as g (task_id)
      cross join lateral (select s as child from fairlane_core.subtasks as s where s.task_id = g.task_id limit 1) as c
      left join fairlane_core.orchestrations as o
        on o.orchestrator_id = (c.child).orchestrator_id and o.user_id = (c.child).user_id
  loop
    delete from fairlane_core.subtasks as s where s.task_id = (v_gone.child).task_id;
    if (v_gone.child).replaced_by is not null then
      -- The dependents of a copy may as well wait for the child that counts.
      perform fairlane_core.move_dependents((v_gone.child).task_id, (v_gone.child).replaced_by, (v_gone.child).user_id);
      continue;
    end if;

    select s.*
    into v_heir
    from fairlane_core.subtasks as s
      join public.tasks as t on t.id = s.task_id
    where s.replaced_by = (v_gone.child).task_id
    order by t.status = 'Complete' desc, s.seq
    limit 1;
    continue when v_heir.task_id is null;

    update fairlane_core.subtasks as s
    set replaced_by = case when s.task_id <> v_heir.task_id then v_heir.task_id end
    where s.replaced_by = (v_gone.child).task_id;
    perform fairlane_core.move_dependents((v_gone.child).task_id, v_heir.task_id, v_heir.user_id);

    select t.* into v_heir_task from public.tasks as t where t.id = v_heir.task_id;
    perform fairlane_core.count_child(v_heir, v_heir_task.status, 1);
    if v_heir_task.status = 'Cancelled' and v_gone.ended_as is null then
      perform fairlane_core.requeue_lost_part(v_heir.task_id, (v_gone.child).task_id);
    end if;
  end loop;

  return coalesce(v_orchestrators, array[]::uuid[]);
end;
$$;

create function fairlane_core.requeue_lost_part(p_task_id uuid, p_gone uuid)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_event constant text := coalesce(current_setting('fairlane_core.event', true), '');
begin
  perform fairlane_core.set_event_context(fairlane_core.actor(), pg_catalog.format('requeued: task %s, which had replaced it, was deleted', p_gone));
  update public.tasks as t
  set status = 'Queued',
    requeue_count = t.requeue_count + 1,
    max_attempts = case
      when t.attempts >= fairlane_core.starts_allowed(t) then t.attempts + fairlane_core.max_attempts(t.task_type)
      else t.max_attempts
    end,
    error_message = null,
    output_location = null,
    -- Its dependency may have been replaced, or requeued, meanwhile.
    dependant_on = coalesce(
      (
        select d.depends_on
        from fairlane_core.task_dependencies as d
        where d.task_id = t.id
        order by d.depends_on = t.dependant_on desc, d.depends_on
        limit 1
      ),
      t.dependant_on
    )
  where t.id = p_task_id;
  -- For its dependents this dependency was lost.
  perform fairlane_core.unblock_dependents(array[p_task_id]);
  perform set_config('fairlane_core.event', v_event, true);
end;
$$;

create function fairlane_core.hand_over(p_task public.tasks)
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  insert into fairlane_core.handovers as h (orchestrator_id, lease_token)
  values (p_task.id, coalesce(p_task.lease_token, '00000000-0000-0000-0000-000000000000'))
  on conflict (orchestrator_id) do update
    set lease_token = excluded.lease_token;
  perform fairlane_core.move_slots(p_task.user_id, 0, -1, 0);
end;
$$;

create function fairlane_core.is_handed_over(p_orchestrator_id uuid, p_lease_token uuid)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
begin
  return exists (
    select
    from fairlane_core.handovers as h
    where h.orchestrator_id = p_orchestrator_id
      and h.lease_token = coalesce(p_lease_token, '00000000-0000-0000-0000-000000000000')
  );
end;
$$;

create function fairlane_core.cleanup(p_limit integer default 1000, p_dry_run boolean default false)
returns json language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_due uuid[] := array(select c.task_id from fairlane_core.tasks_to_cancel(p_limit) as c);
  v_last_event_id bigint;
  -- Its own actor in the history, to tell the events of this dry run from all others.
  v_rehearsal text;
  v_listed json;
begin
  if not p_dry_run then
    return json_build_object('cancelled', fairlane_core.cancel_due(v_due), 'dry_run', false);
  end if;

  v_last_event_id := (select max(e.id) from public.task_events as e);
  v_rehearsal := 'fairlane_core.cleanup ' || pg_current_xact_id();
  begin
    perform fairlane_core.cancel_due(v_due, v_rehearsal);
    v_listed := (
      select json_agg(
        json_build_object('task_id', t.id, 'created_at', t.created_at, 'status', e.to_status, 'reason', e.reason) order by e.id
      )
      from public.task_events as e
        cross join lateral (select k.id, k.created_at from public.tasks as k where k.id = e.task_id offset 0) as t
      where e.id > coalesce(v_last_event_id, 0)
        and e.actor = v_rehearsal
    );
    raise sqlstate 'QU002' using message = 'This was a dry run; all of it is rolled back';
  exception when sqlstate 'QU002' then
    perform fairlane_core.set_event_context(null);
  end;
  return json_build_object('cancelled', 0, 'due', coalesce(v_listed, '[]'), 'dry_run', true);
end;
$$;

create function fairlane_core.tasks_to_cancel(p_limit integer)
returns table (task_id uuid, created_at timestamptz, reason text) language plpgsql stable security invoker set search_path = '' as $$
#variable_conflict use_column
declare
  v_old_before timestamptz := fairlane_core.stale_before();
  v_found integer;
begin
  return query
  select t.id, t.created_at, r.reason
  from public.tasks as t
    cross join lateral (select fairlane_core.reason_to_cancel(t) as reason) as r
  where t.readiness in ('no_owner', 'no_run_type', 'type_inactive', 'stale')
    and t.created_at < v_old_before
    and r.reason is not null
  order by t.created_at
  limit p_limit;
  get diagnostics v_found = row_count;

  -- The index orders both kinds by age alone: reading all of the first kind for a few of the second is too much. They
  -- come next time.
  if v_found = p_limit then
    return;
  end if;
  return query
  select t.id, t.created_at, r.reason
  from public.tasks as t
    cross join lateral (select fairlane_core.reason_to_cancel(t) as reason) as r
  where t.readiness = 'dependency_lost'
    and r.reason is not null
  order by t.created_at
  limit p_limit;
end;
$$;

create function fairlane_core.cancel_due(p_task_ids uuid[], p_actor text default 'fairlane_core.cleanup')
returns integer language plpgsql volatile security invoker set search_path = '' set lock_timeout = '100ms' as $$
declare
  v_of_owner uuid[];
  v_held uuid[];
  v_count integer;
  v_total integer := 0;
begin
  perform fairlane_core.set_event_context(p_actor);
  perform fairlane_core.limit_lock_waits(0.4);
  for v_of_owner in
    select array_agg(t.id) from public.tasks as t where t.id = any (p_task_ids) group by t.user_id order by t.user_id
  loop
    begin
      v_held := array(
        select t.id
        from public.tasks as t
        where t.id = any (v_of_owner)
          and t.status = 'Queued'
        order by t.id
        for no key update skip locked
      );

      with due as materialized (
        select t.id, fairlane_core.reason_to_cancel(t) as reason
        from public.tasks as t
        where t.id = any (v_held)
      )
      update public.tasks as t
      set status = 'Cancelled', error_message = d.reason
      from due as d
      where t.id = d.id
        and d.reason is not null;
      get diagnostics v_count = row_count;
      v_total := v_total + v_count;
    exception when lock_not_available then
      perform set_config('lock_timeout', '1ms', true);
    end;
  end loop;
  perform fairlane_core.set_event_context(null);
  return v_total;
end;
$$;

create function fairlane_core.reason_to_cancel(p_task public.tasks)
returns text language plpgsql stable security invoker set search_path = '' as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_settings fairlane_core.settings;
begin
  select s.* into v_settings from fairlane_core.settings as s;

  -- What waits for a lost task can never run, nor can its dependents.
  if p_task.readiness = 'dependency_lost' then
    return case when coalesce(p_task.updated_at, p_task.created_at) < v_now - v_settings.dependency_grace then
      'Cancelled by the cleanup: a task it waits for failed, was cancelled or does not exist'
    end;
  elsif p_task.readiness is null
    or p_task.readiness not in ('no_owner', 'no_run_type', 'type_inactive', 'stale')
    or p_task.claimed_at is not null
    or not fairlane_core.is_stale(greatest(p_task.created_at, p_task.available_at, p_task.released_at), p_task.attempts > 0 or p_task.claimed_at is not null, p_task.params)
    or exists (
      select
      from fairlane_core.task_dependencies as d
        join public.tasks as x on x.id = d.depends_on
      where d.task_id = p_task.id
        and x.user_id is not distinct from p_task.user_id
        and x.status in ('Queued', 'In Progress')
    ) then
    return null;
  end if;

  -- What would be cancelled too: its dependents, its children, and so on. A started or fresh one among them keeps the
  -- task. Most tasks have none, which two index probes show.
  if (
    exists (select from fairlane_core.task_dependencies as d where d.depends_on = p_task.id)
    or exists (select from fairlane_core.subtasks as s where s.orchestrator_id = p_task.id)
  ) and exists (
    with recursive along (id) as (
      select p_task.id
      union
      select n.id
      from along as a
        join public.tasks as q on q.id = a.id and q.status in ('Queued', 'In Progress')
        cross join lateral (
          select d.task_id as id from fairlane_core.task_dependencies as d where d.depends_on = q.id
          union all
          select s.task_id from fairlane_core.subtasks as s where s.orchestrator_id = q.id
        ) as n
    )
    select
    from along as a
      join public.tasks as x on x.id = a.id
    where x.id <> p_task.id
      and x.user_id is not distinct from p_task.user_id
      and (
        x.status = 'In Progress'
        or x.status = 'Queued' and (
          x.attempts > 0
          or x.claimed_at is not null
          or greatest(x.created_at, x.available_at, x.released_at) >= fairlane_core.stale_before()
          or not fairlane_core.is_stale(greatest(x.created_at, x.available_at, x.released_at), x.attempts > 0 or x.claimed_at is not null, x.params)
          and fairlane_core.parent_task_id(x.params) not in (select o.id from along as o)
        )
      )
  ) then
    return null;
  end if;

  return pg_catalog.format('Cancelled by the cleanup: enqueued %s, never started (%s)', p_task.created_at, p_task.readiness);
end;
$$;

create function fairlane_core.schedule_jobs()
returns void
language plpgsql
volatile
security invoker -- the jobs belong to the caller
set search_path = ''
as $schedule_jobs$
declare
  v_knows_seconds boolean := (
    select regexp_match(e.extversion, '^(\d+)\.(\d+)')::integer[] >= array[1, 5] from pg_extension as e where e.extname = 'pg_cron'
  );
begin
  insert into fairlane_core.job_runs (job, period)
  select j.job, j.period::interval from fairlane_core.jobs() as j
  on conflict (job) do update set period = excluded.period;

  perform cron.schedule('fairlane-sweep', '* * * * *', 'select fairlane_core.run_job(''sweep'')');
  perform cron.schedule('fairlane-repair-orchestrations', '* * * * *', 'select fairlane_core.run_job(''repair_orchestrations'')');
  perform cron.schedule('fairlane-advance-status-totals', '* * * * *', 'select fairlane_core.run_job(''advance_status_totals'')');

  -- The jobs that lock many owners commit after each batch. Not a procedure: one that commits cannot pin a search_path.
  -- Every minute is enough for the rescue (180 s after the last sign of life are promised); where pg_cron supports
  -- seconds (1.5 and later), work of a dead worker waits even less.
  perform cron.schedule(j.name, j.schedule, pg_catalog.format($job$do $$
declare
  v_run fairlane_core.batch_run := fairlane_core.begin_batches(%L);
begin
  while not v_run.is_over loop
    v_run := fairlane_core.run_batch(v_run);
    commit;
    perform pg_catalog.pg_sleep_for(v_run.pause);
  end loop;
end;
$$$job$, j.job))
  from (
    values
      ('fairlane-cleanup', '*/10 * * * *', 'cleanup'),
      ('fairlane-purge', '7 * * * *', 'purge'),
      ('fairlane-reconcile', '17 * * * *', 'reconcile'),
      ('fairlane-rescue', case when v_knows_seconds then '20 seconds' else '* * * * *' end, 'rescue'),
      ('fairlane-settle', case when v_knows_seconds then '10 seconds' else '* * * * *' end, 'settle')
  ) as j (name, schedule, job);
end;
$schedule_jobs$;

create function fairlane_core.jobs()
returns table (job text, period text) language plpgsql immutable security invoker set search_path = '' as $$
begin
  return query
  values
    ('sweep', '1 minute'), ('rescue', '1 minute'), ('repair_orchestrations', '1 minute'), ('advance_status_totals', '1 minute'),
    ('settle', '1 minute'), ('cleanup', '10 minutes'), ('purge', '1 hour'), ('reconcile', '1 hour');
end;
$$;

create function fairlane_core.run_job(p_job text)
returns jsonb language plpgsql volatile security definer set search_path = '' as $$
declare
  v_started_at timestamptz := clock_timestamp();
  v_result jsonb;
begin
  begin
    v_result := case p_job
      when 'sweep' then fairlane_core.sweep()::jsonb
      when 'rescue' then fairlane_core.rescue()::jsonb
      when 'settle' then fairlane_core.settle_deferred(1000)::jsonb
      when 'repair_orchestrations' then fairlane_core.repair_orchestrations()::jsonb
      when 'advance_status_totals' then fairlane_core.advance_status_totals()::jsonb
      when 'cleanup' then fairlane_core.cleanup()::jsonb
      when 'purge' then fairlane_core.purge()::jsonb
      when 'reconcile' then jsonb_build_object('repaired', fairlane_core.reconcile())
    end;
    if v_result is null then
      perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('There is no job %s', p_job));
    end if;
  exception when others then
    v_result := jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate);
  end;

  perform fairlane_core.record_run(p_job, v_started_at, v_result);
  raise log 'queue job %: %', p_job, v_result;
  return v_result;
end;
$$;

create function fairlane_core.begin_batches(p_job text)
returns fairlane_core.batch_run language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_run fairlane_core.batch_run;
begin
  v_run.job := p_job;
  v_run.done_count := 0;
  v_run.started_at := clock_timestamp();
  v_run.is_over := false;
  begin
    v_run.due := case p_job
      -- Each batch searches again: what is lost, or left to do, changes from one second to the next.
      when 'rescue' then array[]::uuid[]
      when 'settle' then array[]::uuid[]
      -- Grouped by owner, so that a batch locks few owners.
      when 'cleanup' then array(
        select c.task_id
        from fairlane_core.tasks_to_cancel(10000) as c
          join public.tasks as t on t.id = c.task_id
        order by t.user_id, c.created_at
      )
      when 'purge' then array(select t.id from fairlane_core.tasks_to_purge(10000) as t order by t.user_id)
      -- The slowest first, before any owner is locked: the totals, and tasks without an owner.
      when 'reconcile' then array(select distinct d.user_id from fairlane_core.drift() as d order by d.user_id nulls first)
    end;
  exception when others then
    perform fairlane_core.record_run(p_job, v_run.started_at, jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate));
    v_run.is_over := true;
  end;
  return v_run;
end;
$$;

create function fairlane_core.run_batch(p_run fairlane_core.batch_run)
returns fairlane_core.batch_run language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  -- Cancelling a task takes a millisecond; counting an owner again about twenty.
  v_size constant integer := case p_run.job when 'reconcile' then 5 else 50 end;
  v_started_at constant timestamptz := clock_timestamp();
  v_due uuid[] := p_run.due[p_run.done_count + 1 : p_run.done_count + v_size];
  v_batch jsonb;
begin
  begin
    v_batch := case p_run.job
      when 'cleanup' then jsonb_build_object('cancelled', fairlane_core.cancel_due(v_due))
      when 'purge' then fairlane_core.purge_kept(1000, false) || jsonb_build_object(
        -- Once a run: comparing all owners with all accounts is not for every batch.
        'owners', case when p_run.result is null then fairlane_core.delete_owners_without_account(900) else 0 end,
        'tasks', fairlane_core.purge_tasks(v_due)
      )
      when 'reconcile' then jsonb_build_object('repaired', fairlane_core.reconcile_owners(v_due))
      -- The loss of a region can take thousands of workers. Another rescue may be running.
      when 'rescue' then fairlane_core.rescue(100)::jsonb - 'skipped'
      when 'settle' then fairlane_core.settle_deferred(100)::jsonb
    end;
    p_run.done_count := p_run.done_count + cardinality(v_due);
    p_run.is_over := case
      -- Not when it was less than a full batch: locked rows are skipped.
      when p_run.job = 'rescue' then coalesce((v_batch ->> 'requeue_lost')::integer, 0) = 0
      when p_run.job = 'settle' then (v_batch ->> 'settled')::integer + (v_batch ->> 'finished')::integer = 0
      else p_run.done_count >= cardinality(p_run.due)
        and not exists (select from jsonb_each_text(v_batch) as b where b.key <> 'tasks' and b.value::integer >= 1000)
    end or clock_timestamp() > p_run.started_at + interval '45 seconds';
    p_run.result := coalesce(
      (
        select jsonb_object_agg(b.key, b.value::bigint + coalesce((p_run.result ->> b.key)::bigint, 0))
        from jsonb_each_text(v_batch) as b
      ),
      p_run.result, '{}'
    );
  exception when others then
    p_run.result := jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate);
    p_run.is_over := true;
  end;

  perform fairlane_core.record_run(p_run.job, p_run.started_at, p_run.result);
  if p_run.is_over then
    raise log 'queue job %: %', p_run.job, p_run.result;
  end if;
  -- Lost tasks have waited long enough, dependents of ended tasks somewhat.
  p_run.pause := case p_run.job when 'rescue' then 0 when 'settle' then 1 else 3 end * (clock_timestamp() - v_started_at);
  return p_run;
end;
$$;

create function fairlane_core.rescue_when_late()
returns integer language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_now timestamptz := fairlane_core.now();
begin
  if not exists (
    select
    from fairlane_core.job_runs as r
    where r.job = 'rescue'
      and greatest(r.scheduled_at, r.ran_at, r.stood_in_at) < v_now - 2 * r.period
  ) or not pg_try_advisory_xact_lock(hashtextextended('fairlane_core.rescue_when_late', 0)) then
    return 0;
  end if;

  -- Another claim may have run it since this statement's snapshot was taken. Does not wait for the row.
  perform from fairlane_core.job_runs as r where r.job = 'rescue' for no key update skip locked;
  if not found then
    return 0;
  end if;
  update fairlane_core.job_runs as r
  set stood_in_at = v_now
  where r.job = 'rescue'
    and greatest(r.scheduled_at, r.ran_at, r.stood_in_at) < v_now - 2 * r.period;
  if not found then
    return 0;
  end if;

  begin
    return coalesce((fairlane_core.rescue() ->> 'requeue_lost')::integer, 0);
  exception when others then
    -- A claim must not fail because the rescue does; health reports it.
    perform fairlane_core.record_run('rescue', v_now, jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate));
    return 0;
  end;
end;
$$;

create function fairlane_core.record_run(p_job text, p_started_at timestamptz, p_result jsonb)
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  -- Without pg_cron nothing has scheduled it (fairlane_core.schedule_jobs): then its first run makes its row.
  insert into fairlane_core.job_runs (job, period)
  select j.job, j.period::interval
  from fairlane_core.jobs() as j
  where j.job = p_job
  on conflict (job) do nothing;

  if p_result ? 'error' then
    raise warning 'queue job % failed: % (%)', p_job, p_result ->> 'error', p_result ->> 'sqlstate';
    update fairlane_core.job_runs as r
    set failed_at = fairlane_core.now(), error = pg_catalog.format('%s (%s)', p_result ->> 'error', p_result ->> 'sqlstate')
    where r.job = p_job;
    return;
  end if;

  update fairlane_core.job_runs as r
  set ran_at = fairlane_core.now(), took = clock_timestamp() - p_started_at, result = p_result
  where r.job = p_job;
end;
$$;

create function fairlane_core.purge(p_limit integer default 5000, p_dry_run boolean default false)
returns json language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_tasks uuid[] := array(select t.id from fairlane_core.tasks_to_purge(p_limit) as t);
begin
  if p_dry_run then
    return fairlane_core.purge_kept(p_limit, true) || jsonb_build_object(
      'owners', (select count(*) from fairlane_core.owners_without_account(p_limit)),
      'tasks', cardinality(v_tasks),
      'due', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'task_id', t.id, 'status', t.status, 'reason', pg_catalog.format('Finished, not changed since %s', coalesce(t.updated_at, t.created_at))
        ) order by t.updated_at), '[]')
        from public.tasks as t
        where t.id = any (v_tasks)
      ),
      'dry_run', true
    );
  end if;
  return fairlane_core.purge_kept(p_limit, false) || jsonb_build_object(
    'owners', fairlane_core.delete_owners_without_account(p_limit),
    'tasks', fairlane_core.purge_tasks(v_tasks),
    'dry_run', false
  );
end;
$$;

create function fairlane_core.tasks_to_purge(p_limit integer)
returns setof public.tasks language plpgsql stable security invoker set search_path = '' as $$
begin
  if (select s.finished_task_retention is null from fairlane_core.settings as s) then
    return;
  end if;

  return query
  select t.*
  from public.tasks as t
  where t.status in ('Complete', 'Failed', 'Cancelled')
    and coalesce(t.updated_at, t.created_at) < fairlane_core.now() - (select s.finished_task_retention from fairlane_core.settings as s)
    and fairlane_core.may_be_purged(t)
  limit p_limit;
end;
$$;

create function fairlane_core.purge_tasks(p_task_ids uuid[])
returns integer language plpgsql volatile security invoker set search_path = '' set lock_timeout = '100ms' as $$
declare
  v_of_owner uuid[];
  v_held uuid[];
  v_count integer;
  v_total integer := 0;
begin
  perform fairlane_core.set_event_context('fairlane_core.purge');
  perform fairlane_core.limit_lock_waits(0.4);
  for v_of_owner in
    select array_agg(t.id) from public.tasks as t where t.id = any (p_task_ids) group by t.user_id order by t.user_id
  loop
    begin
      v_held := array(
        select t.id
        from public.tasks as t
        where t.id = any (v_of_owner)
        order by t.id
        for update skip locked
      );

      delete from public.tasks as t
      where t.id = any (v_held)
        and fairlane_core.may_be_purged(t);
      get diagnostics v_count = row_count;
      v_total := v_total + v_count;
    exception when lock_not_available then
      perform set_config('lock_timeout', '1ms', true);
    end;
  end loop;
  perform fairlane_core.set_event_context(null);
  return v_total;
end;
$$;

create function fairlane_core.may_be_purged(p_task public.tasks)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
begin
  return p_task.status in ('Complete', 'Failed', 'Cancelled')
    and coalesce(p_task.updated_at, p_task.created_at) < fairlane_core.now() - (select s.finished_task_retention from fairlane_core.settings as s)
    and not exists (
      select
      from fairlane_core.task_dependencies as d
        join public.tasks as x on x.id = d.task_id
      where d.depends_on = p_task.id
        and x.status in ('Queued', 'In Progress')
    )
    and not exists (
      select
      from fairlane_core.subtasks as s
        join public.tasks as x on x.id = s.task_id
      where s.orchestrator_id = p_task.id
        and x.status in ('Queued', 'In Progress')
    )
    and not exists (
      select
      from public.tasks as p
      where p.id = fairlane_core.parent_task_id(p_task.params)
        and p.status in ('Queued', 'In Progress')
    );
end;
$$;

create function fairlane_core.purge_kept(p_limit integer, p_dry_run boolean)
returns jsonb language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_settings fairlane_core.settings;
  v_logs bigint[];
  v_tokens uuid[];
  v_cron_runs bigint[] := array[]::bigint[];
  v_events bigint[];
  v_forgotten bigint[];
  v_workers text[];
begin
  select s.* into v_settings from fairlane_core.settings as s;

  v_logs := array(
    select l.id
    from public.system_logs as l
    where l."timestamp" < v_now - v_settings.log_retention
    order by l."timestamp"
    limit p_limit
    for update skip locked
  );

  v_tokens := array(
    select k.id
    from public.user_api_tokens as k
    where least(k.expires_at, k.revoked_at) < v_now - interval '30 days'
    limit p_limit
    for update skip locked
  );

  -- Of the queue's jobs only, where pg_cron runs them.
  if to_regclass('cron.job_run_details') is not null then
    v_cron_runs := array(
      select r.runid
      from cron.job_run_details as r
      where coalesce(r.end_time, r.start_time) < v_now - interval '7 days'
        and r.command like '%fairlane_core.%'
      limit p_limit
      for update skip locked
    );
  end if;

  -- Ids grow with time: only the oldest need to be read.
  v_events := array(
    select o.id
    from (select e.id, e.at from public.task_events as e order by e.id limit p_limit) as o
    where o.at < v_now - v_settings.event_retention
  );

  -- Ended for that long. A worker that still sends heartbeats or claims, or whose children are running, is kept.
  v_workers := array(
    select w.id
    from public.workers as w
    where fairlane_core.has_ended(w.status)
      and greatest(w.ended_at, w.last_heartbeat, w.created_at) < v_now - v_settings.worker_retention
      and not exists (
        select from fairlane_core.claim_refusals as r where r.worker_id = w.id and r.last_at >= v_now - v_settings.worker_retention
      )
      and not exists (
        select from public.tasks as t where t.worker_id = w.id and t.status = 'In Progress' and t.token_id is null
      )
    order by w.id
    limit p_limit
    for update skip locked
  );

  -- The history of deleted users.
  v_forgotten := array(
    select f.id
    from fairlane_core.deleted_users as d
      cross join lateral (select e.id from public.task_events as e where e.user_id = d.user_id limit p_limit) as f
    where d.deleted_at <= v_now - v_settings.deleted_user_retention
    limit p_limit
  );

  if not p_dry_run then
    delete from public.system_logs as l where l.id = any (v_logs);
    delete from public.user_api_tokens as k where k.id = any (v_tokens);
    if cardinality(v_cron_runs) > 0 then
      delete from cron.job_run_details as r where r.runid = any (v_cron_runs);
    end if;
    delete from public.task_events as e where e.id = any (v_events || v_forgotten);
    delete from fairlane_core.blocked_tasks as b
    using fairlane_core.deleted_users as d
    where b.user_id = d.user_id
      and d.deleted_at <= v_now - v_settings.deleted_user_retention;
    delete from fairlane_core.deleted_users as d
    where d.deleted_at <= v_now - v_settings.deleted_user_retention
      and not exists (select from public.task_events as e where e.user_id = d.user_id);
    delete from public.workers as w where w.id = any (v_workers);
    delete from fairlane_core.claim_refusals as r
    where r.worker_id = any (v_workers)
      or r.last_at < v_now - interval '7 days';
  end if;
  return jsonb_build_object(
    'logs', cardinality(v_logs), 'tokens', cardinality(v_tokens), 'cron_runs', cardinality(v_cron_runs),
    'events', cardinality(v_events || v_forgotten), 'workers', cardinality(v_workers)
  );
end;
$$;

create function fairlane_core.reconcile(p_limit integer default 100)
returns integer language plpgsql volatile security definer set search_path = '' as $$
begin
  return fairlane_core.reconcile_owners(array(
    select distinct d.user_id from fairlane_core.drift() as d order by d.user_id nulls first limit p_limit
  ));
end;
$$;

create function fairlane_core.drift()
returns table (user_id uuid, pool text, stored jsonb, counted jsonb) language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = on as $$
#variable_conflict use_column
begin
  -- What runs, and what the user row allows.
  return query
  select u.id, null::text, to_jsonb(s), to_jsonb(w)
  from public.users as u
    left join fairlane_core.recount_slots(null) as r on r.user_id = u.id
    left join fairlane_core.user_slots as s on s.user_id = u.id
    cross join lateral fairlane_core.slots_of(
      u, coalesce(r.running, 0), coalesce(r.orchestrating, 0), coalesce(r.remembered, 0)
    ) as w
  where s is distinct from w;

  return query
  with counted as (
    select
      c.user_id, c.pool,
      -- Copies of the slots count only where they order the queue.
      to_jsonb(c) - array['last_served_at', 'user_id', 'pool']
        - case when c.is_open then array[]::text[] else array['running', 'turn_load', 'orchestration_room'] end as row_counts
    from fairlane_core.recount(null) as c
    where c.ready_cloud + c.ready_cloud_orchestration + c.ready_local + c.ready_local_orchestration
      + c.active_cloud + c.active_cloud_orchestration + c.active_local + c.active_local_orchestration > 0
  ),
  stored as (
    select
      l.user_id, l.pool,
      to_jsonb(l) - array['last_served_at', 'user_id', 'pool']
        - case when l.is_open then array[]::text[] else array['running', 'turn_load', 'orchestration_room'] end as row_counts
    from fairlane_core.user_queues as l
    where l.is_open or l.ready_cloud <> 0 or l.ready_cloud_orchestration <> 0 or l.ready_local <> 0
      or l.ready_local_orchestration <> 0 or l.active_cloud <> 0 or l.active_cloud_orchestration <> 0
      or l.active_local <> 0 or l.active_local_orchestration <> 0
  )
  select coalesce(c.user_id, s.user_id), coalesce(c.pool, s.pool), s.row_counts, c.row_counts
  from counted as c
    full join stored as s on s.user_id = c.user_id and s.pool = c.pool
  where c.row_counts is distinct from s.row_counts;

  return query
  select
    coalesce(c.user_id, s.user_id), coalesce(c.pool, s.pool),
    jsonb_build_object(coalesce(c.reason, s.reason), coalesce(s.task_count, 0)),
    jsonb_build_object(coalesce(c.reason, s.reason), coalesce(c.task_count, 0))
  from (
    select
      coalesce(t.user_id, '00000000-0000-0000-0000-000000000000') as user_id, t.pool, t.readiness as reason,
      t.run_type is distinct from 'local' as is_cloud, count(*)::integer as task_count
    from public.tasks as t
    where t.readiness not in ('ready', 'active')
    group by 1, 2, 3, 4
  ) as c
    full join fairlane_core.blocked_tasks as s
      on s.user_id = c.user_id and s.pool = c.pool and s.reason = c.reason and s.is_cloud = c.is_cloud
  where coalesce(c.task_count, 0) <> coalesce(s.task_count, 0);

  -- Families under way; the report of an orchestrator cannot be derived.
  return query
  select
    coalesce(c.user_id, s.user_id), null::text,
    to_jsonb(s) - 'changed_at' - 'enqueued_attempt', to_jsonb(c) - 'changed_at' - 'enqueued_attempt'
  from fairlane_core.recount_families(array(
    select o.id from public.tasks as o where o.readiness is not null and exists (select from fairlane_core.subtasks as x where x.orchestrator_id = o.id)
    union
    select k.orchestrator_id from fairlane_core.orchestrations as k where k.ended_as is null
  )) as c
    full join (
      select k.*
      from fairlane_core.orchestrations as k
      where k.ended_as is null
        and k.open_count + k.complete_count + k.failed_count + k.cancelled_count > 0
    ) as s on s.orchestrator_id = c.orchestrator_id
  where to_jsonb(s) - 'changed_at' - 'enqueued_attempt' is distinct from to_jsonb(c) - 'changed_at' - 'enqueued_attempt'
    and (c.orchestrator_id is null or s.orchestrator_id is not null
      or c.open_count + c.complete_count + c.failed_count + c.cancelled_count > 0);

  -- Live children that are missing from fairlane_core.subtasks.
  return query
  select
    t.user_id, t.pool,
    (select to_jsonb(s) from fairlane_core.subtasks as s where s.task_id = t.id),
    jsonb_build_object('task_id', t.id, 'orchestrator_id', fairlane_core.parent_task_id(t.params))
  from public.tasks as t
  where t.readiness is not null
    and t.user_id is not null
    and t.params ? fairlane_core.parent_key()
    and fairlane_core.parent_task_id(t.params) <> t.id
    and not exists (
      select from fairlane_core.subtasks as s where s.task_id = t.id and s.orchestrator_id = fairlane_core.parent_task_id(t.params)
    );

  -- Tasks that have ended, of all owners: the totals advanced from the history, compared with the tasks themselves.
  return query
  select null::uuid, null::text, jsonb_build_object(e.status, e.stored), jsonb_build_object(e.status, e.counted)
  from (
    select s.status, fairlane_core.ended_total(s.status) as stored, coalesce(c.counted, 0) as counted
    from unnest(array['Complete', 'Failed', 'Cancelled']) as s (status)
      left join (select t.status, count(*) as counted from public.tasks as t group by t.status) as c on c.status = s.status
  ) as e
  where e.stored <> e.counted;
end;
$$;

create function fairlane_core.reconcile_owners(p_owners uuid[])
returns integer language plpgsql volatile security invoker set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = on as $$
declare
  v_user_id uuid;
  v_turns jsonb;
  v_repaired integer := 0;
begin
  foreach v_user_id in array p_owners loop
    if v_user_id is null then
      perform fairlane_core.recount_totals();
      v_repaired := v_repaired + 1;
      continue;
    end if;

    -- The lock; a missing row is created first, closed, so that there is something to lock.
    insert into fairlane_core.user_slots (user_id, task_limit, has_credits, cloud_on, local_on)
    select u.id, 0, false, false, false from public.users as u where u.id = v_user_id
    on conflict do nothing;
    perform from fairlane_core.user_slots as s where s.user_id = v_user_id for no key update skip locked;
    continue when not found and exists (select from fairlane_core.user_slots as s where s.user_id = v_user_id);

    update fairlane_core.user_slots as s
    set running = w.running, task_limit = w.task_limit, has_credits = w.has_credits, cloud_on = w.cloud_on,
      local_on = w.local_on, settings_malformed = w.settings_malformed, cloud_reason = w.cloud_reason,
      local_reason = w.local_reason, orchestrating = w.orchestrating, orchestration_limit = w.orchestration_limit,
      remembered = w.remembered
    from public.users as u
      left join fairlane_core.recount_slots(v_user_id) as r on r.user_id = u.id
      cross join lateral fairlane_core.slots_of(
        u, coalesce(r.running, 0), coalesce(r.orchestrating, 0), coalesce(r.remembered, 0)
      ) as w
    where u.id = v_user_id
      and s.user_id = v_user_id;

    -- Users keep their place in turn.
    select coalesce(jsonb_object_agg(l.pool, l.last_served_at), '{}')
    into v_turns
    from fairlane_core.user_queues as l
    where l.user_id = v_user_id;
    delete from fairlane_core.user_queues as l where l.user_id = v_user_id;
    insert into fairlane_core.user_queues
    select (r.c).*
    from (
      select jsonb_populate_record(c, jsonb_build_object('last_served_at', coalesce(v_turns ->> c.pool, fairlane_core.now()::text))) as c
      from fairlane_core.recount(v_user_id) as c
    ) as r;

    delete from fairlane_core.blocked_tasks as b where b.user_id = v_user_id;
    insert into fairlane_core.blocked_tasks (user_id, pool, reason, is_cloud, task_count)
    select v_user_id, t.pool, t.readiness, t.run_type is distinct from 'local', count(*)
    from public.tasks as t
    -- Not "is not distinct from", which no index supports: every owner would read the waiting tasks of all.
    where (t.user_id = v_user_id or (v_user_id = '00000000-0000-0000-0000-000000000000' and t.user_id is null))
      and t.readiness not in ('ready', 'active')
    group by t.pool, t.readiness, t.run_type is distinct from 'local';

    perform fairlane_core.reconcile_families(v_user_id);
    v_repaired := v_repaired + 1;
  end loop;
  return v_repaired;
end;
$$;

create function fairlane_core.recount(p_user_id uuid)
returns setof fairlane_core.user_queues language plpgsql stable security invoker set search_path = '' as $$
begin
  return query
  select
    c.user_id, c.pool,
    c.ready_cloud, c.ready_cloud_orchestration, c.ready_local, c.ready_local_orchestration,
    c.active_cloud, c.active_cloud_orchestration, c.active_local, c.active_local_orchestration,
    n.running,
    (c.ready_cloud > 0 or (c.ready_cloud_orchestration > 0 and n.orchestrating < s.orchestration_limit))
      and coalesce(s.cloud_reason, 'user_at_limit') = 'user_at_limit'
      and n.running < s.task_limit,
    null::timestamptz,
    s.task_limit,
    nullif(s.cloud_reason, 'user_at_limit'),
    n.running + n.orchestrating + n.remembered,
    greatest(s.orchestration_limit - n.orchestrating, 0)
  from (
    select
      t.user_id,
      t.pool,
      (count(*) filter (where t.readiness = 'ready' and t.run_type = 'cloud' and t.takes_slot))::integer as ready_cloud,
      (count(*) filter (where t.readiness = 'ready' and t.run_type = 'cloud' and not t.takes_slot))::integer as ready_cloud_orchestration,
      (count(*) filter (where t.readiness = 'ready' and t.run_type = 'local' and t.takes_slot))::integer as ready_local,
      (count(*) filter (where t.readiness = 'ready' and t.run_type = 'local' and not t.takes_slot))::integer as ready_local_orchestration,
      (count(*) filter (where t.readiness = 'active' and t.token_id is null and t.takes_slot))::integer as active_cloud,
      (count(*) filter (where t.readiness = 'active' and t.token_id is null and not t.takes_slot))::integer as active_cloud_orchestration,
      (count(*) filter (where t.readiness = 'active' and t.token_id is not null and t.takes_slot))::integer as active_local,
      (count(*) filter (where t.readiness = 'active' and t.token_id is not null and not t.takes_slot))::integer as active_local_orchestration
    from public.tasks as t
    where t.readiness is not null
      and t.user_id is not null
      and (p_user_id is null or t.user_id = p_user_id)
    group by t.user_id, t.pool
  ) as c
    join fairlane_core.user_slots as s on s.user_id = c.user_id
    left join fairlane_core.recount_slots(p_user_id) as r on r.user_id = c.user_id
    cross join lateral (
      select coalesce(r.running, 0) as running, coalesce(r.orchestrating, 0) as orchestrating, coalesce(r.remembered, 0) as remembered
    ) as n;
end;
$$;

create function fairlane_core.recount_slots(p_user_id uuid)
returns table (user_id uuid, running integer, orchestrating integer, remembered integer) language plpgsql stable security invoker set search_path = '' as $$
#variable_conflict use_column
begin
  return query
  select s.user_id, sum(s.running)::integer, sum(s.orchestrating)::integer, sum(s.remembered)::integer
  from (
    select
      t.user_id,
      t.takes_slot::integer as running,
      (not t.takes_slot and not fairlane_core.is_handed_over(t.id, t.lease_token))::integer as orchestrating,
      0 as remembered
    from public.tasks as t
    where t.readiness = 'active'
      and t.user_id is not null
      and (p_user_id is null or t.user_id = p_user_id)
    union all
    select
      h.user_id,
      (h.let_go_at is null and h.takes_slot)::integer,
      (h.let_go_at is null and not h.takes_slot)::integer,
      (h.let_go_at is not null)::integer
    from fairlane_core.held_slots as h
    where p_user_id is null
      or h.user_id = p_user_id
  ) as s
  group by s.user_id;
end;
$$;

create function fairlane_core.missing_rows()
returns table (row_name text, hint text) language plpgsql stable security invoker set search_path = '' as $$
begin
  return query
  select 'the row of fairlane_core.settings', 'insert into fairlane_core.settings default values'
  where not exists (select from fairlane_core.settings as s)
  union all
  select 'the row of fairlane_core.clock_watch', 'insert into fairlane_core.clock_watch default values'
  where not exists (select from fairlane_core.clock_watch as w)
  union all
  select
    pg_catalog.format('job %s of fairlane_core.job_runs', j.job),
    pg_catalog.format('insert into fairlane_core.job_runs (job, period) values (%L, %L)', j.job, j.period)
  from fairlane_core.jobs() as j
  where not exists (select from fairlane_core.job_runs as r where r.job = j.job);
end;
$$;

create function fairlane_core.tasks_after_truncate()
returns trigger language plpgsql security definer set search_path = '' set enable_seqscan = on as $$
begin
  delete from fairlane_core.task_dependencies as d;
  delete from fairlane_core.subtasks as s;
  delete from fairlane_core.orchestrations as o;
  delete from fairlane_core.blocked_tasks as b;
  delete from fairlane_core.user_queues as l;
  delete from fairlane_core.handovers as h;
  delete from fairlane_core.held_slots as h;
  delete from fairlane_core.deferred_work as w where w.task_id is not null;
  update fairlane_core.user_slots as s
  set (running, orchestrating, remembered, cloud_reason, local_reason) = (
    select w.running, w.orchestrating, w.remembered, w.cloud_reason, w.local_reason from fairlane_core.slots_of(u, 0, 0, 0) as w
  )
  from public.users as u
  where u.id = s.user_id
    and (s.running <> 0 or s.orchestrating <> 0 or s.remembered <> 0);
  perform fairlane_core.recount_totals();
  return null;
end;
$$;

create function fairlane_core.events_after_truncate()
returns trigger language plpgsql security definer set search_path = '' set enable_seqscan = on as $$
begin
  perform fairlane_core.recount_totals();
  return null;
end;
$$;

create function fairlane_core.refuse_truncate()
returns trigger language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  if exists (select from public.tasks as t) then
    perform fairlane_core.refuse(
      409, 'TRUNCATE_REFUSED',
      pg_catalog.format('%I.%I cannot be truncated while there are tasks: nothing would follow', tg_table_schema, tg_table_name),
      'Delete rows instead, or truncate public.tasks, which empties what is derived from it'
    );
  end if;
  return null;
end;
$$;

create function fairlane_core.rescue(p_limit integer default 1000)
returns json language plpgsql volatile security definer set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_lost fairlane_core.lost_task[];
  v_put_back integer;
  v_silent text;
  v_reaped text[] := array[]::text[];
  v_spared text[] := array[]::text[];
begin
  -- One at a time; a second run has nothing to add.
  if not pg_try_advisory_xact_lock(hashtextextended('fairlane_core.rescue', 0)) then
    return json_build_object('skipped', 'another rescue is running');
  end if;

  perform fairlane_core.watch_clock();
  perform fairlane_core.apply_noted_ends();
  delete from fairlane_core.noted_beats as b where b.beat_at < fairlane_core.now() - interval '1 hour' and b.status is null;
  -- Notes of ended machines whose tasks have meanwhile ended, been requeued, or been named by another machine under the
  -- same name.
  delete from fairlane_core.noted_beats as b
  where b.leases is not null
    and not exists (
      select
      from public.tasks as t
      where t.worker_id = b.worker_id
        and t.status = 'In Progress'
        and (
          t.lease_token = any (b.leases)
          or (t.lease_token = any (b.doubtful_leases) and b.beat_at > coalesce(greatest(t.reported_at, t.seen_at), '-infinity'))
        )
    );
  -- Owners take turns: if another transaction holds one owner's many tasks, a run must not spend itself on them.
  v_lost := array(
    select q.lost
    from (
      select l as lost, row_number() over (partition by t.user_id order by t.id) as place, t.id
      from fairlane_core.stalled_tasks() as l
        join public.tasks as t on t.id = l.task_id
    ) as q
    order by q.place, q.id
    limit p_limit
  );
  if cardinality(v_lost) = 0 then
    perform fairlane_core.free_held_slots(p_limit);
    return json_build_object('requeue_lost', 0, 'workers_set_to_error', 0);
  end if;

  perform fairlane_core.set_event_context('fairlane_core.rescue');
  -- The trigger on workers would requeue the same tasks (fairlane_core.workers_after_write).
  perform set_config('fairlane_core.mode', 'rescues', true);
  for v_silent in
    select distinct l.worker_id
    from unnest(v_lost) as l
    where l.cause = 'worker_silent'
      -- The silence of one machine says nothing about the others under its name.
      and l.worker_id <> all ((select s.shared_worker_ids from fairlane_core.settings as s)::text[])
    order by l.worker_id
  loop
    -- A heartbeat at this very moment wins.
    perform
    from public.workers as w
    where w.id = v_silent
      and not fairlane_core.is_beating(w.last_heartbeat)
    for no key update skip locked;
    if not found and exists (select from public.workers as w where w.id = v_silent) then
      v_spared := v_spared || v_silent;
    elsif fairlane_core.mark_reaped(v_silent, (select min(l.reason) from unnest(v_lost) as l where l.worker_id = v_silent)) then
      v_reaped := v_reaped || v_silent;
    end if;
  end loop;
  perform set_config('fairlane_core.mode', '', true);

  v_lost := array(
    select l from unnest(v_lost) as l where l.worker_id is null or l.cause <> 'worker_silent' or l.worker_id <> all (v_spared)
  );
  v_put_back := fairlane_core.requeue_lost(v_lost);
  -- Last, because it skips locked rows and waits for nobody.
  perform fairlane_core.free_held_slots(p_limit);
  perform fairlane_core.set_event_context(null);
  return json_build_object('requeue_lost', v_put_back, 'workers_set_to_error', cardinality(v_reaped));
end;
$$;

create function fairlane_core.requeue_lost_or_leave(p_lost fairlane_core.lost_task[], p_actor text)
returns uuid[] language plpgsql volatile security invoker set search_path = '' as $$
begin
  perform fairlane_core.set_event_context(p_actor);
  perform fairlane_core.requeue_lost(p_lost);
  perform fairlane_core.set_event_context(null);
  return array(
    select t.lease_token
    from public.tasks as t
      join unnest(p_lost) as l on l.task_id = t.id and l.lease_token = t.lease_token
    where t.status = 'In Progress'
  );
end;
$$;

create function fairlane_core.requeue_lost(p_lost fairlane_core.lost_task[])
returns integer language plpgsql volatile security invoker set search_path = '' set lock_timeout = '100ms' as $$
declare
  v_lost fairlane_core.lost_task[];
  v_count integer;
  v_total integer := 0;
begin
  perform fairlane_core.limit_lock_waits(0.4);
  perform set_config(
    'fairlane_core.mode',
    concat_ws(
      ' ',
      -- A task that never reached its worker, or whose worker was shut out, gets its attempt back.
      'forgives_starts',
      -- The holder of a lost task holds no slot; one that only takes too long may still be at work
      -- (fairlane_core.held_slots).
      (select string_agg('let_go:' || l.task_id, ' ') from unnest(p_lost) as l where l.cause <> 'timed_out'),
      -- A machine no longer works on what it named in its last heartbeat; others under its name may work on theirs.
      (
        select string_agg('gone:' || l.task_id, ' ')
        from unnest(p_lost) as l
        where l.cause in ('terminated', 'crashed')
          and exists (
            select from fairlane_core.noted_beats as b where b.worker_id = l.worker_id and l.lease_token = any (b.leases)
          )
      )
    ),
    true
  );
  for v_lost in
    select array_agg(l)
    from unnest(p_lost) as l
      join public.tasks as t on t.id = l.task_id
    group by t.user_id
    order by t.user_id
  loop
    begin
      with held as (
        select t.id
        from public.tasks as t
          join unnest(v_lost) as l on l.task_id = t.id
        where t.status = 'In Progress'
          and t.lease_token is not distinct from l.lease_token
          and t.reported_at is not distinct from l.reported_at
        order by t.id
        for no key update of t skip locked
      )
      update public.tasks as t
      -- An orchestrator that has reported all it had to report would only repeat it.
      set status = case l.cause when 'enqueued_nothing' then 'Failed' else 'Queued' end,
        output_location = case l.cause when 'enqueued_nothing' then l.reason else t.output_location end,
        attempts = t.attempts - (
          l.cause in ('never_delivered', 'token_ended', 'terminated')
          -- Neither its goodbye nor the one who sent it home could release the task, because somebody held its owner.
          or l.cause in ('worker_ended', 'worker_silent') and exists (
            select from public.workers as w
            where w.id = l.worker_id
              and (w.goodbye_at is not null or fairlane_core.is_taken_home(w, t))
          )
        )::integer,
        error_message = l.reason
      from held as h
        join unnest(v_lost) as l on l.task_id = h.id
      where t.id = h.id;
      get diagnostics v_count = row_count;
      v_total := v_total + v_count;
    exception when lock_not_available then
      perform set_config('lock_timeout', '1ms', true);
    end;
  end loop;
  perform set_config('fairlane_core.mode', '', true);
  return v_total;
end;
$$;

create function fairlane_core.is_taken_home(p_worker public.workers, p_task public.tasks)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
declare
  v_fault constant text := '(stuck|\mh[ua]ng|frozen|stall|stale|silent|heartbeat|responsive|reachable|unhealthy|crash|fail|error|fatal|overlong|too.long|task.?time|\moom|memory)';
  v_given text := nullif(p_worker.metadata ->> 'termination_reason', '');
  v_error text := coalesce(p_worker.metadata ->> 'error_reason', '');
begin
  return p_worker.status in ('terminating', 'terminated')
    and p_worker.goodbye_at is null
    and p_worker.reaped_at is null
    and coalesce(v_given, v_error) !~* v_fault
    and (v_given is not null or v_error ~* '(idle|over.?capacity|scal(e|ed|ing)\M|surplus|no work)')
    and coalesce(
      fairlane_core.seen_at(p_worker.last_heartbeat, fairlane_core.now())
        > coalesce(p_worker.ended_at, fairlane_core.now()) - (select s.gpu_heartbeat_timeout from fairlane_core.settings as s)
        -- It fell silent while leaving: had it been silent before, it would have failed
        -- (fairlane_core.workers_before_write).
        or (p_worker.last_heartbeat is not null and p_worker.failed_at is null),
      false
    )
    and coalesce(
      fairlane_core.seen_at(greatest(p_task.claimed_at, p_task.reported_at), fairlane_core.now())
        > fairlane_core.now() - (select s.stuck_after from fairlane_core.settings as s),
      false
    );
end;
$$;

create function fairlane_core.mark_reaped(p_worker_id text, p_reason text)
returns boolean language plpgsql volatile security invoker set search_path = '' as $$
begin
  update public.workers as w
  set status = 'error',
    reaped_at = fairlane_core.now(),
    metadata = w.metadata || jsonb_build_object('error_reason', p_reason, 'error_time', fairlane_core.now())
  where w.id = p_worker_id
    and w.status <> 'terminating'
    and not fairlane_core.has_ended(w.status);
  return found;
end;
$$;

create function fairlane_core.begin_restore()
returns json language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_table regclass;
  v_trigger record;
  v_job bigint;
  v_triggers integer := 0;
begin
  if exists (select from public.tasks) then
    raise exception 'This database has tasks: a restore begins with an empty queue'
      using errcode = 'object_not_in_prerequisite_state', hint = 'Restore into a database that was just migrated';
  end if;

  if to_regclass('cron.job') is not null then
    for v_job in select j.jobid from cron.job as j where j.jobname like 'fairlane-%' loop
      perform cron.unschedule(v_job);
    end loop;
  end if;

  for v_trigger in
    select t.tgname as name, t.tgrelid::regclass as on_table
    from pg_trigger as t
      join pg_proc as p on p.oid = t.tgfoid
    where p.pronamespace = 'fairlane_core'::regnamespace
      and not t.tgisinternal
      and t.tgenabled <> 'D'
    order by t.tgrelid, t.tgname
  loop
    execute pg_catalog.format('alter table %s disable trigger %I', v_trigger.on_table, v_trigger.name);
    v_triggers := v_triggers + 1;
  end loop;

  for v_table in
    select c.oid::regclass
    from pg_class as c
    where c.relkind in ('r', 'p')
      and (c.relnamespace = 'fairlane_core'::regnamespace or c.oid = 'public.task_types'::regclass)
    order by c.relname
  loop
    execute pg_catalog.format('delete from %s', v_table);
  end loop;
  return json_build_object('triggers_disabled', v_triggers);
end;
$$;

create function fairlane_core.rebuild()
returns json language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_trigger record;
  v_sequence record;
  v_last bigint;
  v_triggers integer := 0;
  v_sequences integer := 0;
  v_repaired integer;
  v_wide text[];
begin
  for v_trigger in
    select t.tgname as name, t.tgrelid::regclass as on_table
    from pg_trigger as t
      join pg_proc as p on p.oid = t.tgfoid
    where p.pronamespace = 'fairlane_core'::regnamespace
      and not t.tgisinternal
      and t.tgenabled = 'D'
    order by t.tgrelid, t.tgname
  loop
    execute pg_catalog.format('alter table %s enable trigger %I', v_trigger.on_table, v_trigger.name);
    v_triggers := v_triggers + 1;
  end loop;

  -- Rows that a dump of the schema does not contain.
  insert into fairlane_core.settings (is_only_row) values (true) on conflict do nothing;
  insert into fairlane_core.clock_watch (is_only_row) values (true) on conflict do nothing;

  -- Copied rows have used numbers that their sequences do not know of.
  for v_sequence in
    select
      d.refobjid::regclass as of_table, a.attname as of_column, s.oid::regclass as name
    from pg_class as s
      join pg_depend as d on d.objid = s.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
      join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where s.relkind = 'S'
      and d.refobjid in (
        'public.task_events'::regclass, 'public.system_logs'::regclass, 'fairlane_core.subtasks'::regclass
      )
  loop
    execute pg_catalog.format('select max(t.%I) from %s as t', v_sequence.of_column, v_sequence.of_table) into v_last;
    execute pg_catalog.format(
      'select pg_catalog.setval(%1$L, %2$s) from %1$s as s where s.last_value < %2$s or (s.last_value = %2$s and not s.is_called)',
      v_sequence.name, coalesce(v_last, 0)
    ) into v_last;
    v_sequences := v_sequences + (v_last is not null)::integer;
  end loop;

  v_repaired := fairlane_core.reconcile_owners(array(
    select distinct d.user_id from fairlane_core.drift() as d where d.user_id is not null order by d.user_id
  ));
  perform fairlane_core.recount_totals();

  perform fairlane_core.restore_surroundings();
  notify pgrst, 'reload schema';

  v_wide := array(select w.statement from fairlane_core.wide_grants() as w);
  if cardinality(v_wide) > 0 then
    raise warning 'The API may do more with % of the queue''s objects than migrations grant', cardinality(v_wide)
      using hint = 'select statement from fairlane_core.wide_grants() shows what takes it back: run that before anybody knows this address';
  end if;
  return json_build_object(
    'triggers_enabled', v_triggers,
    'sequences_moved', v_sequences,
    'owners_repaired', v_repaired,
    'drift', (select count(*) from fairlane_core.drift()),
    'wide_grants', v_wide
  );
end;
$$;

create function fairlane_core.restore_surroundings()
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  if to_regclass('cron.job') is not null then
    perform fairlane_core.schedule_jobs();
  end if;
end;
$$;

create function fairlane_core.wide_grants()
returns table (statement text) language sql stable security invoker set search_path = '' as $$
  with shipped (name, role, privileges) as (
    values
      ('users', 'authenticated', 'SELECT'),
      ('users', 'service_role', 'SELECT INSERT UPDATE DELETE'),
      ('projects', 'authenticated', 'SELECT DELETE'),
      ('projects', 'service_role', 'SELECT INSERT UPDATE DELETE'),
      ('task_types', 'authenticated', 'SELECT'),
      ('task_types', 'service_role', 'SELECT INSERT UPDATE DELETE'),
      ('tasks', 'authenticated', 'SELECT'),
      ('tasks', 'service_role', 'SELECT DELETE'),
      ('workers', 'service_role', 'SELECT DELETE'),
      ('generations', 'authenticated', 'SELECT'),
      ('generations', 'service_role', 'SELECT INSERT UPDATE DELETE'),
      ('task_events', 'authenticated', 'SELECT'),
      ('task_events', 'service_role', 'SELECT'),
      ('task_events_id_seq', '', ''),
      ('system_logs', 'service_role', 'SELECT INSERT DELETE'),
      ('system_logs_id_seq', 'service_role', 'USAGE'),
      ('user_api_tokens', 'service_role', 'SELECT INSERT UPDATE DELETE'),
      ('active_workers_health', 'service_role', 'SELECT'),
      ('orchestrator_status', 'service_role', 'SELECT'),
      ('create_api_token', 'authenticated', 'EXECUTE'),
      ('revoke_api_token', 'authenticated', 'EXECUTE')
  ),
  api_role (oid, name) as (
    select 0::oid, 'public'
    union all
    select r.oid, r.rolname::text from pg_catalog.pg_roles as r where r.rolname in ('anon', 'authenticated', 'service_role')
  ),
  held as (
    select
      c.oid as table_id, c.relnamespace as schema, c.relname::text as name, r.name as role, a.privilege_type as privilege,
      case c.relkind when 'S' then 'sequence ' else 'table ' end || pg_catalog.format('%I.%I', n.nspname, c.relname) as object
    from pg_catalog.pg_class as c
      join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      cross join lateral pg_catalog.aclexplode(c.relacl) as a
      join api_role as r on r.oid = a.grantee
    where c.relkind in ('r', 'p', 'v', 'm', 'S')
      and (n.nspname = 'fairlane_core' or n.nspname = 'public' and c.relname in (select s.name from shipped as s))
    union all
    select
      null, p.pronamespace, p.proname::text, r.name, a.privilege_type,
      'function ' || pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid))
    from pg_catalog.pg_proc as p
      join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
      cross join lateral pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) as a
      join api_role as r on r.oid = a.grantee
    where n.nspname = 'fairlane_core'
      -- Functions of the app are in public as well; the comments of ours say who may call them.
      or n.nspname = 'public'
        and (p.proname in (select s.name from shipped as s) or pg_catalog.obj_description(p.oid, 'pg_proc') like '%service\_role only.')
  ),
  excess as (
    select h.table_id, h.object, h.role, pg_catalog.array_agg(h.privilege order by h.privilege) as privileges
    from held as h
      left join shipped as s on h.schema = 'public'::regnamespace and s.name = h.name and s.role = h.role
    where h.privilege <> all (pg_catalog.string_to_array(coalesce(s.privileges, ''), ' '))
      -- The service itself may execute its own functions, and read the derived state.
      and not (
        h.role = 'service_role'
        and case h.schema
          when 'fairlane_core'::regnamespace then h.privilege in ('EXECUTE', 'SELECT')
          else h.privilege = 'EXECUTE' and h.name not in (select o.name from shipped as o)
        end
      )
      and not (
        h.schema = 'fairlane_core'::regnamespace and h.role = 'authenticated' and h.name in ('create_api_token', 'revoke_api_token')
      )
      and not (
        h.role = 'anon'
        and (h.name = 'tasks' and h.privilege in ('SELECT', 'DELETE') or h.name = 'is_spare_part')
        and exists (
          select
          from pg_catalog.pg_policy as p
          where p.polrelid = 'public.tasks'::regclass and p.polname = 'anyone_deletes_spare_parts'
        )
      )
    group by h.table_id, h.object, h.role
  )
  -- Revoking a privilege on the table also revokes it on its columns: those that were granted are granted again.
  select
    pg_catalog.format('revoke %s on %s from %s;', pg_catalog.array_to_string(e.privileges, ', '), e.object, e.role)
    || coalesce((
      select
        pg_catalog.string_agg(
          pg_catalog.format(' grant %s (%s) on %s to %s;', k.privilege_type, k.columns, e.object, e.role), ''
          order by k.privilege_type
        )
      from (
        select a.privilege_type, pg_catalog.string_agg(pg_catalog.quote_ident(t.attname), ', ' order by t.attnum) as columns
        from pg_catalog.pg_attribute as t
          cross join lateral pg_catalog.aclexplode(t.attacl) as a
          join api_role as r on r.oid = a.grantee
        where t.attrelid = e.table_id
          and r.name = e.role
          and a.privilege_type = any (e.privileges)
        group by a.privilege_type
      ) as k
    ), '')
  from excess as e
  order by e.object, e.role;
$$;

create function fairlane_core.watch_clock(
  p_clock timestamptz default clock_timestamp(),
  p_timeline text default pg_catalog.left(pg_walfile_name(pg_current_wal_lsn()), 8)
)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_tolerance constant interval := interval '10 seconds'; -- clocks are routinely corrected by less
  v_now timestamptz := fairlane_core.now();
  v_watch fairlane_core.clock_watch;
  v_has_gone_back boolean;
  v_has_gap boolean;
  v_is_promoted boolean;
  v_away interval;
  v_ahead timestamptz;
  v_limit interval;
  v_stale_after interval;
begin
  select w.* into v_watch from fairlane_core.clock_watch as w;
  select s.gpu_heartbeat_timeout, s.stale_after into v_limit, v_stale_after from fairlane_core.settings as s;
  v_is_promoted := coalesce(v_watch.timeline <> p_timeline, false);
  v_has_gone_back := coalesce(p_clock < v_watch.looked_at - v_tolerance, false);
  -- The clock may have jumped ahead and back between two observations: then only rows written meanwhile show it.
  select max(a.sign)
  into v_ahead
  from (
    select w.last_heartbeat as sign from public.workers as w where w.last_heartbeat > v_now + v_tolerance
    union all
    select greatest(t.claimed_at, t.reported_at)
    from public.tasks as t
    where t.status = 'In Progress' and greatest(t.claimed_at, t.reported_at) > v_now + v_tolerance
  ) as a;
  v_has_gap := v_has_gone_back or exists (
    select
    from fairlane_core.job_runs as r
    where r.job = 'rescue'
      and v_watch.looked_at < p_clock - greatest(1.1 * r.period, least(1.5 * r.period, v_limit - interval '30 seconds'))
  );
  if p_clock - v_watch.looked_at > v_watch.away_after then
    v_away := p_clock - v_watch.looked_at;
  end if;

  update fairlane_core.clock_watch as w
  set looked_at = p_clock,
    timeline = p_timeline,
    is_steady = not v_has_gap and not v_is_promoted and w.trusted_since <= v_now - v_limit,
    trusted_since = case
      when v_has_gone_back or v_is_promoted or (v_has_gap and w.is_steady) then v_now
      else w.trusted_since
    end,
    away_until = case when v_away is not null then v_now else w.away_until end,
    away_for = case
      when v_away is null then w.away_for
      -- An absence that is itself recent is added to it.
      when w.away_until >= v_now - v_stale_after - v_away then v_away + w.away_for
      else v_away
    end,
    set_back_at = case
      when v_has_gone_back or v_ahead > coalesce(w.set_back_until, '-infinity') then v_now
      else w.set_back_at
    end,
    set_back_until = greatest(
      case when v_has_gone_back then v_now + (w.looked_at - p_clock) else w.set_back_until end, v_ahead
    );
end;
$$;

create function fairlane_core.is_beating(p_last_beat timestamptz)
returns boolean language plpgsql stable security definer set search_path = '' as $$
declare
  v_now timestamptz := fairlane_core.now();
begin
  return coalesce(fairlane_core.seen_at(p_last_beat, v_now) > v_now - (select s.gpu_heartbeat_timeout from fairlane_core.settings as s), false);
end;
$$;

create function fairlane_core.seen_at(p_sign timestamptz, p_now timestamptz)
returns timestamptz language plpgsql stable security invoker set search_path = '' as $$
begin
  if p_sign is null or p_sign <= p_now + interval '10 seconds' then
    return p_sign;
  end if;
  return coalesce(
    (select w.set_back_at from fairlane_core.clock_watch as w where w.set_back_until > p_now and w.set_back_at <= p_now),
    p_sign
  );
end;
$$;

create function fairlane_core.signs_of_life(
  p_task_id uuid, p_worker_id text, p_started_at timestamptz, p_reported_at timestamptz, p_delivered_at timestamptz
)
returns jsonb language plpgsql stable security invoker set search_path = '' as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_worker public.workers;
begin
  select w.* into v_worker from public.workers as w where w.id = p_worker_id;
  return jsonb_build_object(
    'running_seconds', round(extract(epoch from v_now - p_started_at)),
    'beats', coalesce(v_worker.last_heartbeat >= p_started_at, false),
    'seconds_since_last_beat', round(extract(epoch from v_now - v_worker.last_heartbeat)),
    'seconds_since_last_report', round(extract(epoch from v_now - p_reported_at)),
    -- By its own report or its guardian's; a worker that others have set aside may go on working. Under a shared name
    -- the row describes all of its machines (fairlane_core.requeue_lost).
    'worker_is_gone', coalesce(v_worker.goodbye_at is not null or v_worker.status in ('crashed', 'terminating'), false)
      or coalesce(strpos(current_setting('fairlane_core.mode', true), 'gone:' || p_task_id) > 0, false),
    'was_named', p_delivered_at is not null,
    'log_lines', (
      select count(*)
      from public.system_logs as l
      where l.task_id = p_task_id::text
        and l."timestamp" >= coalesce(p_started_at, '-infinity')
    )
  );
end;
$$;

create function fairlane_core.apply_noted_ends()
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_noted record;
begin
  for v_noted in
    select distinct on (b.worker_id) b.worker_id, b.beat_at, b.status
    from fairlane_core.noted_beats as b
    where b.worker_id in (select n.worker_id from fairlane_core.noted_beats as n where n.status is not null and n.leases is null)
    order by b.worker_id, b.beat_at desc
  loop
    perform from public.workers as w where w.id = v_noted.worker_id for no key update skip locked;
    continue when not found and exists (select from public.workers as w where w.id = v_noted.worker_id);
    if v_noted.status is not null
      and exists (
        select
        from public.workers as w
        where w.id = v_noted.worker_id
          and coalesce(w.last_heartbeat <= v_noted.beat_at, true)
      )
      and not exists (
        select from public.tasks as t
        where t.worker_id = v_noted.worker_id
          and t.status = 'In Progress'
          and t.claimed_at > v_noted.beat_at
      )
    then
      perform fairlane_core.beat(v_noted.worker_id, v_noted.status, null, null, v_noted.beat_at);
    end if;
    update fairlane_core.noted_beats as b
    set status = null
    where b.worker_id = v_noted.worker_id
      and b.beat_at <= v_noted.beat_at
      and b.status is not null;
  end loop;
end;
$$;

create function fairlane_core.stalled_tasks()
returns setof fairlane_core.lost_task language plpgsql stable security invoker set search_path = '' as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_settings fairlane_core.settings;
  -- After a start of the database nobody has had time to send a heartbeat.
  v_may_judge_silence boolean;
  v_trusted_since timestamptz;
begin
  select s.* into v_settings from fairlane_core.settings as s;
  v_may_judge_silence := v_now < pg_postmaster_start_time() -- the clock was set back since; then v_trusted_since decides
    or v_now - pg_postmaster_start_time() >= v_settings.gpu_heartbeat_timeout;
  v_trusted_since := (select least(w.trusted_since, v_now) from fairlane_core.clock_watch as w);

  return query
  with running as (
    select
      t as task, t.id, t.lease_token, t.reported_at, t.worker_id, t.token_id, t.pool, t.attempts, t.delivered_at, t.is_beaten_for,
      coalesce(t.timeout, y.timeout) as timeout,
      case
        when t.token_id is not null or is_shared then (
          select b.status
          from fairlane_core.noted_beats as b
          where b.worker_id = t.worker_id
            and t.lease_token = any (b.leases)
          limit 1
        )
      end as said,
      is_shared, w as worker,
      left_by.said as left_as, left_by.at as left_at,
      w.status as worker_status, seen.last_heartbeat, w.metadata ->> 'error_reason' as error_reason,
      t.token_id is not null and (k.id is null or k.revoked_at is not null or k.expires_at <= v_now) as is_shut_out,
      -- It has freed its orchestration slot, and no child exists that could end it.
      not t.takes_slot and fairlane_core.is_handed_over(t.id, t.lease_token)
        and coalesce(o.open_count + o.complete_count + o.failed_count + o.cancelled_count, 0) = 0 as is_childless,
      coalesce(o.enqueued_attempt = t.attempts, false) as has_reported, o.changed_at as family_changed_at, t.output_location,
      seen.started_at,
      greatest(seen.started_at, v_trusted_since) as runs_since,
      greatest(seen.started_at, seen.reported_at, seen.seen_at, v_trusted_since) as last_report,
      greatest(seen.started_at, seen.reported_at, seen.last_heartbeat, v_trusted_since) as last_sign,
      greatest(seen.started_at, seen.reported_at, seen.seen_at, case when not is_shared then seen.last_heartbeat end, v_trusted_since)
        as last_own_sign
    from public.tasks as t
      left join public.workers as w on w.id = t.worker_id and t.token_id is null
      left join public.task_types as y on y.name = t.task_type
      left join public.user_api_tokens as k on k.id = t.token_id
      left join fairlane_core.orchestrations as o on o.orchestrator_id = t.id and not t.takes_slot
      cross join lateral (
        select coalesce(fairlane_core.sent_name(t.worker_id) = any (v_settings.shared_worker_ids), false) as is_shared
      ) as named
      -- A machine under that name ended, and nobody has named the task since.
      left join lateral (
        select case when bool_or(b.status = 'terminated') then 'terminated' else 'crashed' end as said, min(b.beat_at) as at
        from fairlane_core.noted_beats as b
        where named.is_shared
          and b.worker_id = t.worker_id
          and t.lease_token = any (b.doubtful_leases)
          and b.beat_at > coalesce(greatest(t.reported_at, t.seen_at), '-infinity')
        having count(*) > 0
      ) as left_by on true
      cross join lateral (
        select
          fairlane_core.seen_at(coalesce(t.claimed_at, t.generation_started_at, t.updated_at, t.created_at, '-infinity'), v_now) as started_at,
          fairlane_core.seen_at(t.reported_at, v_now) as reported_at,
          fairlane_core.seen_at(t.seen_at, v_now) as seen_at,
          fairlane_core.seen_at(
            greatest(w.last_heartbeat, (select max(b.beat_at) from fairlane_core.noted_beats as b where b.worker_id = w.id)), v_now
          ) as last_heartbeat
      ) as seen
    where t.status = 'In Progress'
      and not fairlane_core.is_waiting_for_children(t)
  ),
  judged as (
    select
      r.*,
      case
        when fairlane_core.has_ended(r.worker_status) then 'worker_ended'
        when r.said is not null then r.said
        when r.runs_since < v_now - r.timeout then 'timed_out'
        -- Whatever it does, its reports would be refused.
        when r.is_shut_out then 'token_ended'
        when not v_may_judge_silence then null
        when r.left_as is not null
          and case when r.token_id is null then greatest(r.left_at, v_trusted_since) else r.last_report end
            < v_now - v_settings.token_beat_timeout then r.left_as
        when r.worker_id is null and r.last_report < v_now - v_settings.gpu_heartbeat_timeout then 'unassigned'
        when r.token_id is not null and r.last_report
          < v_now - case when r.is_beaten_for then v_settings.token_beat_timeout else v_settings.token_heartbeat_timeout end then 'caller_silent'
        when r.worker_id is not null and r.token_id is null and r.pool <> 'gpu' and r.last_own_sign < v_now - v_settings.api_heartbeat_timeout
          then 'caller_silent'
        when r.worker_id is not null and r.token_id is null and r.pool = 'gpu' and r.last_sign < v_now - v_settings.gpu_heartbeat_timeout
          then 'worker_silent'
        when r.worker_id is not null and r.token_id is null and r.pool = 'gpu'
          and r.delivered_at is null and r.runs_since < v_now - v_settings.delivery_timeout then 'never_delivered'
        -- A failure was reported, possibly by another worker; whoever sent it, nobody is working on the task by now.
        when r.worker_id is not null and r.token_id is null and r.pool = 'gpu' and r.last_report < v_now - v_settings.delivery_timeout
          and fairlane_core.told_reason(r.task) is not null then 'failure_told'
        when r.is_shared and r.token_id is null and r.last_own_sign < v_now - v_settings.stuck_after then 'unnamed'
        when r.is_childless and greatest(r.last_report, r.family_changed_at) < v_now - v_settings.family_quiet_after
          then case when r.has_reported then 'enqueued_nothing' else 'left_behind' end
      end as cause
    from running as r
  )
  select
    j.id, j.lease_token, j.reported_at, j.worker_id, j.cause,
    case
      when j.left_as = j.cause then pg_catalog.format(
        case j.cause
          when 'terminated' then 'Attempt %s was released: a machine under the shared name %s said that it ends, and none has named the task since (for %s s)'
          else 'Attempt %s ended without a result: a machine under the shared name %s reported that its process is gone, and none has named the task since (for %s s)'
        end,
        greatest(j.attempts, 1), fairlane_core.sent_name(j.worker_id), fairlane_core.seconds_between(j.last_report, v_now)
      )
      when j.cause in ('worker_ended', 'worker_silent') and fairlane_core.is_taken_home(j.worker, j.task) then fairlane_core.reason_of_home(j.worker, j.attempts)
      when j.said = j.cause then fairlane_core.reason_of_goodbye(j.said, j.attempts, fairlane_core.sent_name(j.worker_id), j.token_id is not null)
      else pg_catalog.format(
        'Attempt %s ended without a result: %s',
        greatest(j.attempts, 1),
        case j.cause
          when 'worker_ended' then pg_catalog.format(
            'worker %s is %s%s', j.worker_id, j.worker_status, coalesce(' (' || j.error_reason || ')', '')
          )
          when 'worker_silent' then pg_catalog.format(
            case
              when j.last_heartbeat is null or j.last_heartbeat < j.started_at then 'worker %s sent no heartbeat since its claim, %s s ago'
              else 'worker %s has been silent for %s s'
            end,
            j.worker_id, fairlane_core.seconds_between(j.last_sign, v_now)
          )
          when 'caller_silent' then pg_catalog.format(
            '%s %s gave no sign for %s s', case when j.token_id is null then 'worker' else 'the user''s machine' end, fairlane_core.sent_name(j.worker_id),
            fairlane_core.seconds_between(case when j.token_id is null then j.last_own_sign else j.last_report end, v_now)
          )
          when 'token_ended' then pg_catalog.format('the token of the user''s machine %s was revoked or has expired', fairlane_core.sent_name(j.worker_id))
          when 'unassigned' then 'it had no worker'
          when 'unnamed' then pg_catalog.format(
            'several machines may share the name %s, and none of them has named the task for %s s',
            fairlane_core.sent_name(j.worker_id), fairlane_core.seconds_between(j.last_own_sign, v_now)
          )
          when 'timed_out' then pg_catalog.format(
            'it ran for %s s, its timeout is %s s', fairlane_core.seconds_between(j.started_at, v_now), extract(epoch from j.timeout)::bigint
          )
          when 'never_delivered' then pg_catalog.format(
            'worker %s sends heartbeats, but has not named the task in %s s', j.worker_id, fairlane_core.seconds_between(j.started_at, v_now)
          )
          when 'failure_told' then pg_catalog.format(
            'it was reported as failed, and nobody has named it for %s s: %s', fairlane_core.seconds_between(j.last_report, v_now), fairlane_core.told_reason(j.task)
          )
          when 'enqueued_nothing' then pg_catalog.format(
            'it enqueued nothing, and nothing was heard of it for %s s; its last words: %s',
            fairlane_core.seconds_between(j.last_report, v_now), coalesce(pg_catalog.left(j.output_location, 500), 'none')
          )
          when 'left_behind' then pg_catalog.format(
            'worker %s claimed again, and nothing was enqueued or heard of it for %s s',
            fairlane_core.sent_name(j.worker_id), fairlane_core.seconds_between(j.last_report, v_now)
          )
        end
      )
    end
  from judged as j
  where j.cause is not null;
end;
$$;

create function fairlane_core.seconds_between(p_from timestamptz, p_to timestamptz)
returns text language plpgsql immutable security invoker set search_path = '' as $$
begin
  return case
    when isfinite(p_from) and isfinite(p_to) then pg_catalog.round(extract(epoch from p_to - p_from))::bigint::text
    else 'uncounted'
  end;
end;
$$;

create function fairlane_core.reason_of_goodbye(p_said text, p_attempts integer, p_worker_id text, p_is_users boolean)
returns text language sql immutable security invoker set search_path = '' as $$
  select pg_catalog.format(
    case p_said
      when 'terminated' then 'Attempt %s was released: %s %s said that it ends'
      else 'Attempt %s ended without a result: %s %s reported that its process is gone'
    end,
    greatest(p_attempts, 1), case when p_is_users then 'the user''s machine' else 'its machine, one of those named' end, p_worker_id
  );
$$;

create function fairlane_core.reason_of_home(p_worker public.workers, p_attempts integer)
returns text language sql immutable security invoker set search_path = '' as $$
  select pg_catalog.format(
    'Attempt %s was released: worker %s was sent home (%s)', greatest(p_attempts, 1), p_worker.id,
    coalesce(nullif(p_worker.metadata ->> 'error_reason', ''), p_worker.metadata ->> 'termination_reason')
  );
$$;

create function fairlane_core.sweep(p_limit integer default 1000)
returns json language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_sort = off as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_stale_before timestamptz := fairlane_core.stale_before();
  v_due uuid[];
  v_stale uuid[];
  v_last_event_id bigint;
begin
  select array_agg(d.id)
  into v_due
  from (
    select t.id
    from public.tasks as t
      join fairlane_core.user_slots as s on s.user_id = t.user_id
    where t.readiness = 'not_yet'
      and t.available_at <= v_now
    order by t.available_at
    limit p_limit
    for no key update of t, s skip locked
  ) as d;
  perform fairlane_core.recompute_readiness(coalesce(v_due, array[]::uuid[]));

  select array_agg(o.id)
  into v_stale
  from (
    select t.id
    from public.tasks as t
      join fairlane_core.user_slots as s on s.user_id = t.user_id
    where t.readiness = 'ready'
      and t.attempts = 0
      and t.claimed_at is null
      and greatest(t.created_at, t.available_at, t.released_at) < v_stale_before
      and fairlane_core.is_stale(greatest(t.created_at, t.available_at, t.released_at), false, t.params)
    order by greatest(t.created_at, t.available_at, t.released_at)
    limit p_limit
    for no key update of t, s skip locked
  ) as o;
  perform fairlane_core.recompute_readiness(coalesce(v_stale, array[]::uuid[]));

  -- A second sweep in the same minute has nothing to add to the sample.
  if not exists (select from fairlane_core.minute_samples as m where m.sampled_at > v_now - interval '30 seconds') then
    select coalesce(max(m.last_event_id), 0) into v_last_event_id from fairlane_core.minute_samples as m;

    insert into fairlane_core.minute_samples (sampled_at, pool, claimable, arrivals, completions, last_event_id)
    select
      v_now, p.pool, fairlane_core.claimable_count(('service', null, null)::fairlane_core.caller, p.pool),
      coalesce(e.arrivals, 0), coalesce(e.completions, 0), coalesce(n.id, v_last_event_id)
    from unnest(fairlane_core.pools()) as p (pool)
      cross join (select max(x.id) as id from public.task_events as x) as n
      left join (
        select
          t.pool,
          count(*) filter (where x.from_status is null) as arrivals,
          count(*) filter (where x.to_status = 'Complete' and x.from_status <> 'Complete') as completions
        from (
          -- The newest: after an outage there may be millions.
          select n.task_id, n.at, n.from_status, n.to_status
          from public.task_events as n
          where n.id > v_last_event_id
          order by n.id desc
          limit 100000
        ) as x
          -- Each by key: a join may compare every pair.
          cross join lateral (select k.pool from public.tasks as k where k.id = x.task_id offset 0) as t
        where x.at > v_now - interval '5 minutes'
        group by t.pool
      ) as e on e.pool = p.pool
    on conflict do nothing;

    -- Continues from the previous sample, however old.
    perform fairlane_core.note_unknown_types(v_now);
    delete from fairlane_core.minute_samples as m where m.sampled_at < v_now - interval '1 day';
  end if;

  -- Last, because it locks owners until the end.
  perform fairlane_core.drop_empty_queues(p_limit);

  return json_build_object(
    'released', coalesce(cardinality(v_due), 0),
    'grown_stale', coalesce(cardinality(v_stale), 0)
  );
end;
$$;

create function fairlane_core.note_unknown_types(p_now timestamptz)
returns integer language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_most constant integer := 1000;
  v_most_events constant integer := 100000;
  v_until constant timestamptz := p_now - interval '1 minute';
  v_from timestamptz;
  v_after_id bigint;
  v_noted integer;
begin
  -- Two runs at once would count the same tasks.
  if not pg_try_advisory_xact_lock(hashtextextended('fairlane_core.note_unknown_types', 0)) then
    return 0;
  end if;

  delete from fairlane_core.unknown_types as u
  where u.last_seen_at < p_now - interval '30 days'
    or exists (select from public.task_types as y where y.name = u.name);

  v_from := coalesce(
    (select max(m.sampled_at) from fairlane_core.minute_samples as m where m.sampled_at < p_now) - interval '1 minute',
    p_now - interval '10 minutes'
  );
  select coalesce(max(m.last_event_id), 0)
  into v_after_id
  from fairlane_core.minute_samples as m
  where m.sampled_at < v_from - interval '1 minute';

  insert into fairlane_core.unknown_types as u (name, task_count, first_seen_at, last_seen_at)
  select r.task_type, r.task_count, r.first_at, r.last_at
  from (
    select s.*, row_number() over (partition by s.is_noted order by s.task_count desc, s.task_type) as place
    from (
      select
        t.task_type, count(*) as task_count, min(e.at) as first_at, max(e.at) as last_at,
        exists (select from fairlane_core.unknown_types as k where k.name = t.task_type) as is_noted
      from (
        select n.task_id, n.at, n.from_status
        from public.task_events as n
        where n.id > v_after_id
        order by n.id desc
        limit v_most_events
      ) as e
        cross join lateral (select k.task_type from public.tasks as k where k.id = e.task_id offset 0) as t
      where e.from_status is null
        and e.at > v_from
        and e.at <= v_until
        -- Names older than the bounds may be too long for a row in task_types, and here.
        and length(t.task_type) between 1 and 200
        and not exists (select from public.task_types as y where y.name = t.task_type)
      group by t.task_type
    ) as s
  ) as r
  where r.is_noted
    or r.place <= v_most - (select count(*) from fairlane_core.unknown_types)
  on conflict (name) do update
    set task_count = u.task_count + excluded.task_count,
      last_seen_at = excluded.last_seen_at;
  get diagnostics v_noted = row_count;
  return v_noted;
end;
$$;

create function fairlane_core.drop_empty_queues(p_limit integer)
returns integer language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_owners uuid[];
  v_dropped integer;
begin
  -- Under the owners' locks no queue fills meanwhile; owners that are being served are left for the next run.
  select array_agg(o.user_id)
  into v_owners
  from (
    select s.user_id
    from fairlane_core.user_slots as s
    where s.user_id in (
      select l.user_id
      from fairlane_core.user_queues as l
      where l.last_served_at < fairlane_core.now() - interval '1 hour'
        and (
          l.ready_cloud, l.ready_cloud_orchestration, l.ready_local, l.ready_local_orchestration,
          l.active_cloud, l.active_cloud_orchestration, l.active_local, l.active_local_orchestration
        ) = (0, 0, 0, 0, 0, 0, 0, 0)
      limit p_limit
    )
    for no key update of s skip locked
  ) as o;

  delete from fairlane_core.user_queues as l
  where l.user_id = any (v_owners)
    and l.last_served_at < fairlane_core.now() - interval '1 hour'
    and (
      l.ready_cloud, l.ready_cloud_orchestration, l.ready_local, l.ready_local_orchestration,
      l.active_cloud, l.active_cloud_orchestration, l.active_local, l.active_local_orchestration
    ) = (0, 0, 0, 0, 0, 0, 0, 0);
  get diagnostics v_dropped = row_count;

  delete from fairlane_core.blocked_tasks as b
  where b.user_id = any (v_owners)
    and b.task_count = 0;
  return v_dropped;
end;
$$;

create function fairlane_core.workers_after_write()
returns trigger language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_ended text[];
begin
  if current_setting('fairlane_core.mode', true) = 'rescues' then
    return null;
  end if;
  -- A heartbeat writes its worker's row: it must pay neither for the join nor for the triggers of tasks, which also run
  -- for no rows.
  if not exists (select from new_rows as n where n.status is distinct from 'active' and fairlane_core.has_ended(n.status)) then
    return null;
  end if;
  v_ended := array(
    select n.id
    from new_rows as n
      full join old_rows as o on o.id = n.id -- never compares every pair, see fairlane_core.tasks_after_update
    where coalesce(fairlane_core.has_ended(n.status) and o.status is distinct from n.status, false)
  );
  if cardinality(v_ended) > 0 then
    perform fairlane_core.free_work(v_ended);
  end if;
  return null;
end;
$$;

create function fairlane_core.workers_after_insert()
returns trigger language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_ended text[] := array(select n.id from new_rows as n where fairlane_core.has_ended(n.status));
begin
  if cardinality(v_ended) > 0 then
    perform fairlane_core.free_work(v_ended);
  end if;
  return null;
end;
$$;

create function fairlane_core.workers_after_delete()
returns trigger language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set lock_timeout = '60ms' as $$
begin
  update public.tasks as t
  set status = 'Queued',
    error_message = pg_catalog.format(
      'Attempt %s ended without a result: the row of worker %s was deleted', greatest(t.attempts, 1), t.worker_id
    )
  from old_rows as o
  where t.worker_id = o.id
    and t.token_id is null
    and t.status = 'In Progress'
    and not fairlane_core.is_waiting_for_children(t);
  perform fairlane_core.let_go_of(e.id, null, null, null) from (select o.id from old_rows as o order by 1) as e;
  return null;
exception when lock_not_available then
  return null; -- these tasks get no more heartbeats: a rescue finds them
end;
$$;

create function fairlane_core.user_api_tokens_after_update()
returns trigger language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_lost fairlane_core.lost_task[];
begin
  select array_agg((
    t.id, t.lease_token, t.reported_at, t.worker_id, 'token_ended',
    pg_catalog.format(
      'Attempt %s ended without a result: the token of the user''s machine %s was revoked',
      greatest(t.attempts, 1), fairlane_core.sent_name(t.worker_id)
    )
  )::fairlane_core.lost_task)
  into v_lost
  from new_rows as n
    join old_rows as o on o.id = n.id
    join public.tasks as t on t.token_id = n.id -- running tasks, which have an index
  where n.revoked_at is not null
    and o.revoked_at is null
    and t.status = 'In Progress'
    and not fairlane_core.is_waiting_for_children(t);
  if v_lost is not null then
    perform fairlane_core.requeue_lost(v_lost);
  end if;
  return null;
end;
$$;

create function fairlane_core.free_work(p_worker_ids text[], p_hands_back boolean default false)
returns void language plpgsql volatile security invoker set search_path = '' set lock_timeout = '60ms' as $$
begin
  perform fairlane_core.limit_lock_waits(0.25);
  perform set_config('fairlane_core.mode', 'forgives_starts', true);
  begin
    update public.tasks as t
    set status = 'Queued',
      attempts = t.attempts - (p_hands_back or w.goodbye_at is not null or fairlane_core.is_taken_home(w, t))::integer,
      error_message = case
        when p_hands_back or w.goodbye_at is not null then pg_catalog.format(
          'Attempt %s was released: worker %s said that it ends', greatest(t.attempts, 1), w.id
        )
        when fairlane_core.is_taken_home(w, t) then fairlane_core.reason_of_home(w, t.attempts)
        else pg_catalog.format(
          'Attempt %s ended without a result: worker %s is %s%s',
          greatest(t.attempts, 1), w.id, w.status, coalesce(' (' || (w.metadata ->> 'error_reason') || ')', '')
        )
      end
    from public.workers as w
    where w.id = any (p_worker_ids)
      and t.worker_id = w.id
      and t.token_id is null
      and t.status = 'In Progress'
      and not fairlane_core.is_waiting_for_children(t);
  exception when lock_not_available then
    null;
  end;
  perform set_config('fairlane_core.mode', '', true);
  -- Nor do they hold any longer what others had ended under them before.
  perform fairlane_core.let_go_of(e.id, null, null, null) from (select i.id from unnest(p_worker_ids) as i (id) order by i.id) as e;
end;
$$;

create function fairlane_core.worker_heartbeat(p_body json)
returns json language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_body json := fairlane_core.readable_json(p_body);
  v_worker_id text := v_body ->> 'worker_id_param';
  v_now timestamptz := fairlane_core.now();
  v_said text := coalesce(nullif(left(v_body ->> 'status_param', 200), ''), 'active');
  -- One of several machines under that name: the others go on.
  v_is_one_of_many boolean := v_said in ('terminated', 'crashed')
    and v_worker_id = any ((select s.shared_worker_ids from fairlane_core.settings as s)::text[]);
  v_status text := fairlane_core.beat_or_note(
    v_worker_id, case when v_is_one_of_many then 'active' else v_said end,
    v_body -> 'vram_total_mb_param', v_body -> 'vram_used_mb_param', v_now
  );
  v_current uuid := case
    when fairlane_core.is_uuid(v_body ->> 'current_task_id_param') then (v_body ->> 'current_task_id_param')::uuid
  end;
  v_logs json[];
  v_surplus integer;
  v_named uuid[] := case when v_current is null then '{}' else array[v_current] end;
  v_names text[] := array[]::text[];
  v_stored integer := 0;
begin
  select b.logs, b.surplus into v_logs, v_surplus from fairlane_core.bounded_logs(v_body -> 'logs_param') as b;
  if cardinality(v_logs) > 0 then
    v_stored := fairlane_core.store_logs(v_logs, v_worker_id, v_now);
    v_names := array(
      select distinct l.entry ->> 'task_id'
      from unnest(v_logs) as l (entry)
      where case when json_typeof(l.entry) = 'object' then l.entry ->> 'task_id' is not null end
    );
  end if;
  if v_names <> '{}' then
    v_named := array(
      select n.name::uuid
      from unnest(v_names) as n (name)
      where fairlane_core.is_uuid(n.name)
      union
      select v_current
      where v_current is not null
    );
  end if;
  if v_is_one_of_many then
    perform fairlane_core.end_one_of_many(v_worker_id, v_said, v_current, v_named, v_logs, v_now);
  elsif v_status = 'terminating' and v_said in ('terminated', 'crashed') then
    -- It is leaving anyway; whoever sent it away reports when it is gone. Its work is free now.
    perform fairlane_core.free_work(array[v_worker_id], v_said = 'terminated');
  elsif v_status = 'active' or not fairlane_core.has_ended(v_status) then
    perform fairlane_core.show_signs_of_life(v_worker_id, v_named, v_names, v_now);
  end if;

  return json_build_object(
    'success', true,
    'heartbeat_updated', true,
    'logs_inserted', v_stored,
    'log_errors', cardinality(v_logs) - v_stored + v_surplus,
    'stop', fairlane_core.tasks_to_stop(('service', null, null), v_worker_id, v_named, v_current, v_now)
  );
end;
$$;

create function fairlane_core.beat_or_note(p_worker_id text, p_status text, p_vram_total json, p_vram_used json, p_now timestamptz)
returns text language plpgsql volatile security invoker set search_path = '' set lock_timeout = '100ms' as $$
begin
  -- For a row one may wait twice: behind other waiters, and for the holder.
  perform fairlane_core.limit_lock_waits(0.4);
  return fairlane_core.beat(p_worker_id, p_status, p_vram_total, p_vram_used, p_now);
exception when lock_not_available then
  insert into fairlane_core.noted_beats as b (worker_id, beat_at, status)
  values (p_worker_id, p_now, case when p_status in ('terminated', 'crashed') then p_status end)
  on conflict (worker_id, beat_at) do update set status = coalesce(b.status, excluded.status);
  return (select w.status from public.workers as w where w.id = p_worker_id);
end;
$$;

create function fairlane_core.beat(p_worker_id text, p_status text, p_vram_total json, p_vram_used json, p_now timestamptz)
returns text language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_vram jsonb := '{}'::jsonb;
  v_said text := case when p_status in ('terminating', 'error') then 'active' else p_status end; -- only orchestrators send workers away
  v_status text;
begin
  -- Longer ids do not fit an index.
  if p_worker_id is null or length(p_worker_id) not between 1 and 200 then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT', 'A heartbeat needs a worker id of 1 to 200 characters', 'Send worker_id_param'
    );
  end if;

  if starts_with(p_worker_id, 'token:') then
    perform fairlane_core.refuse_name_of_a_token(p_worker_id);
  end if;

  -- Without nvidia-smi a worker sends 0/0: then it knows nothing, and the previous values stay.
  if p_vram_total::text ~ '^[1-9]\d{0,8}(\.\d{1,9})?$' then
    v_vram := jsonb_strip_nulls(jsonb_build_object(
      'vram_total_mb', p_vram_total::jsonb,
      'vram_used_mb', case when p_vram_used::text ~ '^\d{1,9}(\.\d{1,9})?$' then p_vram_used::jsonb end,
      'vram_timestamp', round(extract(epoch from p_now), 3)
    ));
  end if;

  -- The end of one machine is not the end of others under the same name.
  if v_said in ('terminated', 'crashed') then
    select case when p_worker_id = any (s.shared_worker_ids) then 'active' else v_said end into v_said from fairlane_core.settings as s;
  end if;

  update public.workers as w
  set last_heartbeat = p_now,
    status = case
      -- A worker's own goodbye does not bind it, and a guardian that then finds its process gone adds nothing.
      when w.goodbye_at is not null then case when v_said in ('terminated', 'crashed') then w.status else 'active' end
      when w.status in ('terminating', 'terminated') or (w.status = 'error' and w.reaped_at is null) then w.status
      when v_said in ('terminated', 'crashed') then v_said
      -- The reaper's error only meant silence.
      when w.status in ('inactive', 'spawning', 'crashed', 'error') then 'active'
      else w.status
    end,
    goodbye_at = case
      -- A new time; otherwise fairlane_core.workers_before_status would take the mark for somebody else's.
      when w.goodbye_at is not null and v_said in ('terminated', 'crashed')
        then greatest(p_now, w.goodbye_at + interval '1 microsecond')
      when v_said = 'terminated' and w.status not in ('terminating', 'terminated') and (w.status <> 'error' or w.reaped_at is not null)
        then p_now
    end,
    metadata = case
      when w.goodbye_at is not null and v_said in ('terminated', 'crashed') then w.metadata
      else fairlane_core.metadata_after_return(w)
    end || v_vram
  where w.id = p_worker_id
  returning w.status into v_status;
  if found then
    return v_status;
  end if;

  insert into public.workers as w (id, instance_type, status, last_heartbeat, created_at, metadata, goodbye_at)
  values (p_worker_id, 'external', v_said, p_now, p_now, v_vram, case v_said when 'terminated' then p_now end)
  on conflict (id) do nothing
  returning w.status into v_status;
  if found then
    return v_status;
  end if;
  -- Two first heartbeats at once.
  return fairlane_core.beat(p_worker_id, p_status, p_vram_total, p_vram_used, p_now);
end;
$$;

create function fairlane_core.show_signs_of_life(p_worker_id text, p_named uuid[], p_names text[], p_now timestamptz)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_late_lines constant interval := interval '1 minute';
  v_is_shared boolean := p_worker_id = any ((select s.shared_worker_ids from fairlane_core.settings as s)::text[]);
  v_made_up boolean := false;
begin
  if p_names <> '{}' then
    v_made_up := exists (select from unnest(p_names) as n (name) where n.name ~ '^unknown_task_\d{1,20}$');
  end if;
  perform set_config('fairlane_core.mode', 'counts_itself', true); -- nothing depends on these columns
  -- Once, and before it is joined to tasks: a plan made for an empty table would repeat it for each of all tasks.
  with held as materialized (
    select
      h.id,
      -- In sequence: params may be large, and usually a worker names the id or nothing.
      case
        when h.id = any (p_named) then true
        when p_names = '{}' then false
        when h.params ->> 'task_id' = any (p_names) then true
        when v_made_up and h.takes_slot and h.claimed_at < p_now - v_late_lines then not exists (
          select
          from public.tasks as other
          where other.worker_id = p_worker_id
            and other.status = 'In Progress'
            and other.token_id is null
            and other.takes_slot
            and other.id <> h.id
        )
      end as is_named
    from public.tasks as h
    where h.worker_id = p_worker_id
      and h.status = 'In Progress'
      and h.token_id is null
    order by h.id
    for no key update skip locked
  )
  update public.tasks as t
  set updated_at = p_now,
    delivered_at = case when held.is_named then coalesce(t.delivered_at, p_now) else t.delivered_at end,
    reported_at = case when held.is_named then p_now else t.reported_at end
  from held
  where t.id = held.id
    and (not v_is_shared or held.is_named);
  perform set_config('fairlane_core.mode', '', true);
end;
$$;

create function fairlane_core.tasks_to_stop(
  p_caller fairlane_core.caller, p_worker_id text, p_named uuid[], p_current uuid, p_now timestamptz
)
returns json language plpgsql stable security invoker set search_path = '' as $$
begin
  return (
    select coalesce(json_agg(json_build_object('task_id', s.id, 'reason', s.reason) order by s.id), '[]')
    from (
      select t.id, 'cancelled' as reason
      from public.tasks as t
      where t.worker_id = p_worker_id
        and t.status = 'Cancelled'
        and t.token_id is not distinct from p_caller.token_id
        and t.updated_at > p_now - interval '1 hour'
      union
      select
        n.id,
        case t.status
          when 'Queued' then 'taken_back'
          when 'In Progress' then 'held_by_another'
          when 'Complete' then 'completed_by_another'
          when 'Failed' then 'failed'
          when 'Cancelled' then 'cancelled'
          else 'deleted'
        end
      from unnest(p_named) as n (id)
        left join public.tasks as t on t.id = n.id and (p_caller.kind = 'service' or t.user_id = p_caller.user_id)
      where case
        when t.id is null then n.id = p_current
        when t.status in ('In Progress', 'Complete') then t.worker_id is distinct from p_worker_id or t.token_id is distinct from p_caller.token_id
        else true
      end
    ) as s
  );
end;
$$;

create function fairlane_core.note_call(p_caller jsonb, p_task_id uuid)
returns boolean language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['token']);
  v_now timestamptz := fairlane_core.now();
begin
  update public.tasks as t
  set seen_at = v_now,
    updated_at = v_now,
    delivered_at = coalesce(t.delivered_at, v_now)
  from (
    select h.id
    from public.tasks as h
    where h.id = p_task_id
      and h.token_id = v_caller.token_id
      and h.status = 'In Progress'
      and greatest(h.claimed_at, h.reported_at, h.seen_at) < v_now - interval '10 seconds'
    for no key update skip locked
  ) as held
  where t.id = held.id;
  return found;
end;
$$;

create function fairlane_core.beat_by_route(
  p_caller jsonb,
  p_worker_id text,
  p_status text,
  p_task_ids uuid[],
  p_vram_total_mb json,
  p_vram_used_mb json,
  p_logs json
)
returns json language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token']);
  v_now timestamptz := fairlane_core.now();
  v_held uuid[];
  v_logs json[];
  v_own json[];
  v_surplus integer;
  v_stored integer;
  v_named uuid[];
begin
  if v_caller.kind = 'service' then
    return fairlane_core.worker_heartbeat(json_build_object(
      'worker_id_param', p_worker_id,
      'status_param', p_status,
      'vram_total_mb_param', p_vram_total_mb,
      'vram_used_mb_param', p_vram_used_mb,
      -- Heartbeats of the fleet name one task.
      'current_task_id_param', p_task_ids[1],
      'logs_param', p_logs
    ));
  end if;
  if p_worker_id is null or length(p_worker_id) not between 1 and 200 then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT', 'A heartbeat needs a worker id of 1 to 200 characters', 'Send worker_id'
    );
  end if;

  -- From a machine that anybody may own, only log lines about its running tasks are kept.
  v_held := array(select t.id from public.tasks as t where t.token_id = v_caller.token_id and t.status = 'In Progress');
  select b.logs, b.surplus into v_logs, v_surplus from fairlane_core.bounded_logs(p_logs) as b;
  v_own := array(
    select l.entry
    from unnest(v_logs) with ordinality as l (entry, place)
    where case
        when json_typeof(l.entry) = 'object' and fairlane_core.is_uuid(l.entry ->> 'task_id') then (l.entry ->> 'task_id')::uuid = any (v_held)
      end
    order by l.place
  );
  v_stored := fairlane_core.store_logs(v_own, fairlane_core.holder_name(v_caller, p_worker_id), v_now);
  v_named := array(
    select distinct t.id
    from unnest(v_own) as l (entry)
      join public.tasks as t on t.id = (l.entry ->> 'task_id')::uuid
    -- A last heartbeat may bring log lines about an earlier attempt at a task that another machine under this name now
    -- has.
    where p_status not in ('terminated', 'crashed') or p_status is null
      or fairlane_core.log_time(l.entry ->> 'timestamp', v_now) >= coalesce(t.claimed_at, '-infinity')
    union
    select n.id from unnest(p_task_ids) as n (id)
  );

  perform fairlane_core.beat_of_token(v_caller, p_worker_id, p_status, p_task_ids, v_named, v_now);

  return json_build_object(
    'success', true,
    'heartbeat_updated', true,
    'logs_inserted', v_stored,
    'log_errors', cardinality(v_logs) - v_stored + v_surplus,
    'stop', fairlane_core.tasks_to_stop(v_caller, fairlane_core.holder_name(v_caller, p_worker_id), v_named, p_task_ids[1], v_now)
  );
end;
$$;

create function fairlane_core.beat_of_token(
  p_caller fairlane_core.caller, p_worker_id text, p_said text, p_runs uuid[], p_named uuid[], p_now timestamptz
)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_holder constant text := fairlane_core.holder_name(p_caller, p_worker_id);
  v_is_shared constant boolean := p_worker_id = any ((select s.shared_worker_ids from fairlane_core.settings as s)::text[]);
  v_lost fairlane_core.lost_task[];
  v_left uuid[];
begin
  if p_said in ('terminated', 'crashed') then
    v_lost := array(
      select (
        t.id, t.lease_token, t.reported_at, t.worker_id, p_said, fairlane_core.reason_of_goodbye(p_said, t.attempts, p_worker_id, true)
      )::fairlane_core.lost_task
      from public.tasks as t
      where t.worker_id = v_holder
        and t.token_id = p_caller.token_id
        and t.status = 'In Progress'
        and (not v_is_shared or t.id = any (p_named))
        and not fairlane_core.is_waiting_for_children(t)
    );
    v_left := fairlane_core.requeue_lost_or_leave(v_lost, fairlane_core.caller_name(p_caller));
    if v_is_shared and p_runs is null then
      perform fairlane_core.note_end_of_many(v_holder, p_caller.token_id, p_said, v_left, p_now);
    elsif cardinality(v_left) > 0 then
      insert into fairlane_core.noted_beats as b (worker_id, beat_at, status, leases)
      values (v_holder, p_now, p_said, v_left)
      on conflict (worker_id, beat_at) do update set status = excluded.status, leases = b.leases || excluded.leases;
    end if;
    -- Nor does it hold any longer what others had ended under it before.
    if v_is_shared then
      perform fairlane_core.let_go_of(v_holder, p_caller.token_id, null, n.id) from unnest(p_named) as n (id) order by n.id;
    else
      perform fairlane_core.let_go_of(v_holder, p_caller.token_id, null, null);
    end if;
    return;
  end if;

  perform set_config('fairlane_core.mode', 'counts_itself', true); -- nothing depends on these columns
  update public.tasks as t
  set updated_at = p_now,
    seen_at = p_now,
    is_beaten_for = true,
    delivered_at = case when t.id = any (p_named) then coalesce(t.delivered_at, p_now) else t.delivered_at end,
    reported_at = case when t.id = any (p_named) then p_now else t.reported_at end
  from (
    select h.id
    from public.tasks as h
    where h.worker_id = v_holder
      and h.token_id = p_caller.token_id
      and h.status = 'In Progress'
      and case
        when p_runs is not null then h.id = any (p_runs || p_named)
        else not v_is_shared or h.id = any (p_named)
      end
    order by h.id
    for no key update skip locked
  ) as held
  where t.id = held.id;
  perform set_config('fairlane_core.mode', '', true);
end;
$$;

create function fairlane_core.end_one_of_many(
  p_worker_id text, p_said text, p_current uuid, p_named uuid[], p_logs json[], p_now timestamptz
)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_lost fairlane_core.lost_task[];
  v_left uuid[];
begin
  v_lost := array(
    select (
      t.id, t.lease_token, t.reported_at, t.worker_id, p_said, fairlane_core.reason_of_goodbye(p_said, t.attempts, p_worker_id, false)
    )::fairlane_core.lost_task
    from public.tasks as t
    where t.worker_id = p_worker_id
      and t.token_id is null
      and t.status = 'In Progress'
      and (
        t.id = p_current
        or exists (
          select
          from unnest(p_logs) as l (entry)
          where case
              when json_typeof(l.entry) = 'object' and l.entry ->> 'task_id' is not null then
                lower(l.entry ->> 'task_id') in (t.id::text, lower(t.params ->> 'task_id'))
                and fairlane_core.log_time(l.entry ->> 'timestamp', p_now) >= coalesce(t.claimed_at, '-infinity')
            end
        )
      )
      and not fairlane_core.is_waiting_for_children(t)
  );
  v_left := fairlane_core.requeue_lost_or_leave(v_lost, 'service');
  perform fairlane_core.let_go_of(p_worker_id, null, null, n.id) from unnest(p_named) as n (id) order by n.id;
  perform fairlane_core.note_end_of_many(p_worker_id, null, p_said, v_left, p_now);
end;
$$;

create function fairlane_core.note_end_of_many(p_worker_id text, p_token_id uuid, p_said text, p_left uuid[], p_now timestamptz)
returns void language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_doubtful uuid[] := array(
    select t.lease_token
    from public.tasks as t
    where t.worker_id = p_worker_id
      and t.token_id is not distinct from p_token_id
      and t.status = 'In Progress'
      and (p_token_id is null or t.is_beaten_for)
      and t.lease_token <> all (p_left)
      and not fairlane_core.is_waiting_for_children(t)
    order by t.id
  );
begin
  if cardinality(v_doubtful) + cardinality(p_left) = 0 then
    return;
  end if;
  insert into fairlane_core.noted_beats as b (worker_id, beat_at, status, leases, doubtful_leases)
  values (p_worker_id, p_now, p_said, p_left, v_doubtful)
  on conflict (worker_id, beat_at) do update
  set status = excluded.status,
    leases = coalesce(b.leases, '{}') || excluded.leases,
    doubtful_leases = coalesce(b.doubtful_leases, '{}') || excluded.doubtful_leases;
end;
$$;

create function fairlane_core.named_before(p_task public.tasks)
returns timestamptz language plpgsql stable security invoker set search_path = '' as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_settings fairlane_core.settings;
  v_trusted_since timestamptz;
  v_named_at timestamptz;
begin
  select s.* into v_settings from fairlane_core.settings as s;
  if p_task.status <> 'In Progress' or coalesce(fairlane_core.sent_name(p_task.worker_id) <> all (v_settings.shared_worker_ids), true)
    or fairlane_core.is_waiting_for_children(p_task) then
    return null;
  end if;

  v_trusted_since := (select least(w.trusted_since, v_now) from fairlane_core.clock_watch as w);
  v_named_at := greatest(
    fairlane_core.seen_at(p_task.claimed_at, v_now), fairlane_core.seen_at(p_task.reported_at, v_now), fairlane_core.seen_at(p_task.seen_at, v_now), v_trusted_since
  );
  return least(
    v_named_at + case
      when p_task.token_id is not null and p_task.is_beaten_for then v_settings.token_beat_timeout
      when p_task.token_id is not null then v_settings.token_heartbeat_timeout
      when p_task.pool <> 'gpu' then least(v_settings.api_heartbeat_timeout, v_settings.stuck_after)
      when p_task.delivered_at is null then least(v_settings.delivery_timeout, v_settings.stuck_after)
      else v_settings.stuck_after
    end,
    (
      select min(greatest(b.beat_at, v_trusted_since)) + v_settings.token_beat_timeout
      from fairlane_core.noted_beats as b
      where b.worker_id = p_task.worker_id
        and p_task.lease_token = any (b.doubtful_leases)
        and b.beat_at > coalesce(greatest(p_task.reported_at, p_task.seen_at), '-infinity')
    )
  );
end;
$$;

create function fairlane_core.insert_logs_batch(p_body json)
returns json language plpgsql volatile security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_body json := fairlane_core.readable_json(p_body);
  v_logs json[];
  v_surplus integer;
  v_stored integer;
begin
  select b.logs, b.surplus
  into v_logs, v_surplus
  from fairlane_core.bounded_logs(case when json_typeof(v_body) = 'object' then v_body -> 'logs' else v_body end) as b;
  v_stored := fairlane_core.store_logs(v_logs, null, fairlane_core.now());

  return json_build_object(
    'success', true,
    'inserted', v_stored,
    'errors', cardinality(v_logs) - v_stored + v_surplus
  );
end;
$$;

create function fairlane_core.store_logs(p_logs json[], p_worker_id text, p_now timestamptz)
returns integer language plpgsql volatile security invoker set search_path = '' as $$
declare
  v_max_length integer := (select s.max_text_length from fairlane_core.settings as s);
  v_half integer := cardinality(p_logs) / 2;
  v_count integer;
begin
  insert into public.system_logs (
    "timestamp", source_type, source_id, log_level, message, task_id, worker_id, cycle_number, metadata
  )
  select
    fairlane_core.log_time(l.entry ->> 'timestamp', p_now),
    case when p_worker_id is null then coalesce(left(l.entry ->> 'source_type', 200), 'unknown') else 'worker' end,
    coalesce(p_worker_id, left(l.entry ->> 'source_id', 200)),
    coalesce(left(l.entry ->> 'log_level', 200), left(l.entry ->> 'level', 200), 'INFO'),
    case
      when length(l.entry ->> 'message') > v_max_length then fairlane_core.cut_text(l.entry ->> 'message')
      else coalesce(l.entry ->> 'message', '')
    end,
    -- No longer than an index entry may be.
    left(l.entry ->> 'task_id', 200),
    coalesce(p_worker_id, left(l.entry ->> 'worker_id', 200)),
    case when l.entry ->> 'cycle_number' ~ '^\d{1,9}$' then (l.entry ->> 'cycle_number')::integer end,
    case
      when (l.entry -> 'metadata')::text = '{}' or l.entry -> 'metadata' is null then '{}'
      when length((l.entry -> 'metadata')::text) > v_max_length
        then jsonb_build_object('metadata', fairlane_core.cut_text((l.entry -> 'metadata')::text))
      else fairlane_core.log_metadata(l.entry -> 'metadata')
    end
  from unnest(p_logs) as l (entry)
  where json_typeof(l.entry) = 'object';

  get diagnostics v_count = row_count;
  return v_count;
exception
  when data_exception or integrity_constraint_violation or program_limit_exceeded then
    if v_half = 0 then
      return 0;
    end if;
    return fairlane_core.store_logs(p_logs[:v_half], p_worker_id, p_now)
      + fairlane_core.store_logs(p_logs[v_half + 1:], p_worker_id, p_now);
end;
$$;

create function fairlane_core.bounded_logs(p_logs json, out logs json[], out surplus integer) language plpgsql stable security invoker set search_path = '' as $$
declare
  v_max integer := (select s.max_logs_per_call from fairlane_core.settings as s);
begin
  logs := array[]::json[];
  surplus := 0;
  if json_typeof(p_logs) = 'array' then
    surplus := greatest(json_array_length(p_logs) - v_max, 0);
    logs := array(
      select l.entry
      from json_array_elements(p_logs) with ordinality as l (entry, place)
      where l.place <= v_max
      order by l.place
    );
  elsif json_typeof(p_logs) <> 'null' then
    surplus := 1;
  end if;
end;
$$;

create function fairlane_core.log_time(p_text text, p_now timestamptz)
returns timestamptz language plpgsql stable security invoker set search_path = '' set timezone = 'UTC' as $$
declare
  v_time timestamptz;
begin
  -- Also excludes words that Postgres reads as times: now, today, infinity.
  if p_text !~ '^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}' then
    return p_now;
  end if;
  v_time := p_text::timestamptz;
  if v_time between p_now - interval '1 day' and p_now + interval '5 minutes' then
    return v_time;
  end if;
  return p_now;
exception
  when data_exception then
    return p_now;
end;
$$;

create function fairlane_core.log_metadata(p_metadata json)
returns jsonb language plpgsql immutable security invoker set search_path = '' as $$
declare
  v_metadata jsonb;
begin
  v_metadata := p_metadata::jsonb;
  return case
    when jsonb_typeof(v_metadata) = 'null' then '{}'
    -- Short as sent, but huge once its numbers are written out.
    when fairlane_core.written_length(v_metadata, 1048576) is null then jsonb_build_object('metadata', p_metadata::text)
    when jsonb_typeof(v_metadata) = 'object' then v_metadata
    else jsonb_build_object('metadata', v_metadata)
  end;
exception
  -- json accepts numbers of any size, jsonb does not.
  when numeric_value_out_of_range then
    return jsonb_build_object('metadata', p_metadata::text);
end;
$$;

create function fairlane_core.readable_json(p_json json)
returns json language plpgsql immutable security invoker set search_path = '' as $$
declare
  v_text text := p_json::text;
  -- Temporarily replaces an escaped backslash, so that \\u0000 stays the six characters it means. JSON text contains no
  -- control characters, so this one is free.
  v_backslash constant text := chr(1);
begin
  if v_text !~* '\\u(0000|d[89a-f])' then
    return p_json;
  end if;

  v_text := replace(v_text, '\\', v_backslash);
  v_text := replace(v_text, '\u0000', '\ufffd');
  v_text := regexp_replace(v_text, '\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f][0-9a-f]{2})', '\\ufffd', 'gi');
  v_text := regexp_replace(v_text, '(?<!\\ud[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}', '\\ufffd', 'gi');
  return replace(v_text, v_backslash, '\\')::json;
end;
$$;

create function fairlane_core.update_worker_model(p_caller jsonb, p_worker_id text, p_model text)
returns json language plpgsql volatile security definer set search_path = '' as $$
declare
  v_model constant text := left(p_model, 200); -- cut like tasks.model
begin
  perform fairlane_core.resolve_caller(p_caller, array['service']);

  if v_model is null or v_model = '' then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The model must be named');
  end if;

  -- Workers report it before every generation: the same model again writes nothing.
  update public.workers as w
  set current_model = v_model
  where w.id = p_worker_id
    and w.current_model is distinct from v_model;

  if not found and not exists (select from public.workers as w where w.id = p_worker_id) then
    perform fairlane_core.refuse(
      404, 'WORKER_NOT_FOUND', pg_catalog.format('There is no worker %s', p_worker_id), 'Its first heartbeat creates its row'
    );
  end if;

  return json_build_object('worker_id', p_worker_id, 'current_model', v_model);
end;
$$;

create function fairlane_core.note_refused_claim(p_caller jsonb, p_worker_id text)
returns boolean language plpgsql volatile security definer set search_path = '' as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service']);
  v_now timestamptz := fairlane_core.now();
  v_status text;
begin
  -- An orchestrator took this api worker for silent or gone. It is not: its next claim will be served.
  update public.workers as w
  set status = 'active', metadata = fairlane_core.metadata_after_return(w)
  where w.id = p_worker_id
    and v_caller.kind = 'service'
    and w.instance_type = 'api'
    and w.status in ('terminating', 'terminated', 'error')
    and w.reaped_at is not null;
  if found then
    return false;
  end if;

  select w.status
  into v_status
  from public.workers as w
  where w.id = p_worker_id
    and v_caller.kind = 'service'
    and w.status in ('terminating', 'terminated', 'error')
    and w.goodbye_at is null
    and not exists (
      select
      from fairlane_core.claim_refusals as r
      where r.worker_id = w.id
        and r.last_at > v_now - interval '1 minute'
    );
  if not found then
    return false;
  end if;

  insert into fairlane_core.claim_refusals as r (worker_id, status, first_at, last_at)
  values (p_worker_id, v_status, v_now, v_now)
  on conflict (worker_id) do update
  set status = excluded.status, last_at = excluded.last_at;

  delete from fairlane_core.claim_refusals as r where r.last_at < v_now - interval '7 days';
  return true;
end;
$$;

create function fairlane_core.workers_before_write()
returns trigger language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_cycle constant interval := interval '1 minute'; -- two cycles of an orchestrator
  v_now timestamptz;
  v_was_leaving boolean := false; -- already leaving, or gone
  v_was_over boolean := false;
  -- Most writes are heartbeats of workers that go on: in this order they call no function.
  v_is_over boolean := new.status is distinct from 'active' and fairlane_core.has_ended(new.status);
begin
  if tg_op = 'INSERT' then
    perform fairlane_core.refuse_name_of_a_token(new.id);
  end if;
  new.metadata := coalesce(new.metadata, case when tg_op = 'UPDATE' then old.metadata end, '{}');

  if tg_op = 'UPDATE' then
    v_was_over := old.status is distinct from 'active' and fairlane_core.has_ended(old.status);
    v_was_leaving := v_was_over or old.status = 'terminating';

    -- A heartbeat sets last_heartbeat and has the newest values.
    if new.last_heartbeat is not distinct from old.last_heartbeat
      and not coalesce(new.metadata -> 'vram_timestamp' >= old.metadata -> 'vram_timestamp', false) then
      new.metadata := new.metadata || coalesce(
        (select jsonb_object_agg(k.key, k.value) from jsonb_each(old.metadata) as k where k.key like 'vram\_%'), '{}'
      );
    end if;

    -- Orchestrators with their own status field read that one, and do not know crashed.
    if new.status is distinct from old.status and (v_is_over or v_was_over)
      and new.metadata ? 'orchestrator_status'
      and new.metadata -> 'orchestrator_status' is not distinct from old.metadata -> 'orchestrator_status' then
      new.metadata := new.metadata || jsonb_build_object(
        'orchestrator_status', case new.status when 'crashed' then 'error' else new.status end
      );
    end if;
  end if;

  if not v_is_over and new.status is distinct from 'terminating' then
    new.failed_at := null;
    new.ended_at := null;
    return new;
  end if;
  v_now := fairlane_core.now();

  if tg_op = 'UPDATE' and old.status = 'crashed' and new.status in ('terminating', 'terminated')
    and old.ended_at > v_now - v_cycle
    -- Machines that crash as soon as they are rented are not sent home.
    and old.created_at <= v_now - (select s.worker_start_limit from fairlane_core.settings as s)
    and not exists (
      select from public.task_events as e
      where e.worker_id = new.id
        and e.from_status = 'In Progress'
        and e.to_status in ('Queued', 'Failed')
        and e.at >= old.ended_at - v_cycle
    ) then
    new.failed_at := null;
  end if;

  -- Set aside: was it still alive? Api workers never send heartbeats.
  if not v_was_leaving and new.instance_type is distinct from 'api' and (
    case
      when new.last_heartbeat is null then new.status = 'error'
        or new.created_at < v_now - (select s.worker_start_limit from fairlane_core.settings as s)
      else greatest(fairlane_core.seen_at(new.last_heartbeat, v_now), (select least(w.trusted_since, v_now) from fairlane_core.clock_watch as w))
        < v_now - (select s.gpu_heartbeat_timeout from fairlane_core.settings as s)
    end
  ) then
    new.failed_at := v_now;
  end if;
  if not v_is_over then
    new.ended_at := null;
    return new;
  end if;

  if not v_was_over then
    new.ended_at := v_now;
    if new.failed_at is null and (
      new.status = 'crashed'
      -- For an api worker this is only the view of an orchestrator that misses its heartbeats
      -- (fairlane_core.workers_before_status).
      or (new.reaped_at is not null and new.instance_type is distinct from 'api')
      or (new.status = 'error' and new.metadata -> 'self_terminated' = 'true')
      or (
        new.goodbye_at is null -- a worker that says goodbye releases its work
        and exists (
          select
          from public.tasks as t
          where t.worker_id = new.id
            and t.status = 'In Progress'
            and t.token_id is null
            and not fairlane_core.is_waiting_for_children(t)
            and (new.status <> 'terminated' or coalesce(t.claimed_at <= v_now - v_cycle, true))
            and not fairlane_core.is_taken_home(new, t)
        )
      )
    ) then
      new.failed_at := v_now;
    end if;
  end if;

  if coalesce(new.metadata ->> 'error_reason', '') = '' then
    new.metadata := new.metadata || jsonb_build_object(
      'error_reason',
      case
        when coalesce(new.metadata ->> 'termination_reason', '') <> '' then left(new.metadata ->> 'termination_reason', 2000)
        -- Written as a whole by somebody who had read it before.
        when v_was_over and coalesce(old.metadata ->> 'error_reason', '') <> '' then old.metadata ->> 'error_reason'
        when new.goodbye_at is not null then 'The worker said that it ends'
        when new.status = 'crashed' then 'The worker process is gone, as its guardian reported'
        else pg_catalog.format(
          'Set to %s without a reason by %s%s', new.status, fairlane_core.actor(),
          case when tg_op = 'UPDATE' then pg_catalog.format('; it was %s, last beat %s', old.status, coalesce(old.last_heartbeat::text, 'never')) end
        )
      end
    );
  end if;
  return new;
end;
$$;

create function fairlane_core.workers_before_status()
returns trigger language plpgsql security invoker set search_path = '' as $$
declare
  v_now timestamptz;
  v_is_said_by_others boolean := current_user = 'service_role'
    and new.status in ('terminating', 'terminated', 'error')
    and new.last_heartbeat is not distinct from old.last_heartbeat
    -- When a worker gives itself up, that holds.
    and new.metadata -> 'self_terminated' is distinct from 'true';
begin
  if v_is_said_by_others and new.status is distinct from old.status and (old.kept_at is not null or old.instance_type = 'api') then
    select pg_catalog.now() + s.clock_offset into v_now from fairlane_core.settings as s;
    if (old.kept_at is not null and (
        old.instance_type = 'api' or fairlane_core.is_beating(old.last_heartbeat)
      ))
      or fairlane_core.has_called_lately(old.id) then
      new.metadata := old.metadata || jsonb_build_object(
        'not_believed', jsonb_build_object(
          'status', new.status,
          'reason', left(coalesce(new.metadata ->> 'error_reason', new.metadata ->> 'termination_reason'), 2000),
          'at', v_now
        )
      );
      new.status := old.status;
      return new;
    end if;
  end if;

  if current_user = 'service_role'
    and new.last_heartbeat is not distinct from old.last_heartbeat
    and new.status in ('active', 'spawning', 'inactive')
    and (old.reaped_at is not null or old.goodbye_at is not null or old.status = 'crashed') then
    new.status := old.status;
    new.metadata := old.metadata;
    return new;
  end if;

  -- Setting a mark always sets it to a new time.
  if new.reaped_at is not distinct from old.reaped_at then
    new.reaped_at := null;
  end if;
  if new.goodbye_at is not distinct from old.goodbye_at then
    new.goodbye_at := null;
  end if;
  if v_is_said_by_others and old.instance_type = 'api' then
    select pg_catalog.now() + s.clock_offset into new.reaped_at from fairlane_core.settings as s;
  end if;
  return new;
end;
$$;

create function fairlane_core.workers_before_metadata()
returns trigger language plpgsql security invoker set search_path = '' as $$
begin
  new.metadata := fairlane_core.metadata_without_end(old.metadata) || new.metadata;
  return new;
end;
$$;

create function fairlane_core.workers_keep_metadata_small()
returns trigger language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  if tg_op = 'INSERT' or new.metadata is distinct from old.metadata then
    perform fairlane_core.refuse_large_json(new.metadata, 'metadata');
  end if;
  return new;
end;
$$;

create function fairlane_core.keep_worker(p_caller jsonb, p_worker_id text, p_keep boolean)
returns json language plpgsql volatile security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_worker public.workers;
begin
  perform fairlane_core.resolve_caller(p_caller, array['service']);

  update public.workers as w
  set kept_at = case when coalesce(p_keep, true) then fairlane_core.now() end
  where w.id = p_worker_id
  returning w.* into v_worker;
  if not found then
    perform fairlane_core.refuse(
      404, 'WORKER_NOT_FOUND', pg_catalog.format('There is no worker %s', p_worker_id), 'Its first heartbeat creates its row'
    );
  end if;

  if v_worker.kept_at is not null and (v_worker.status = 'terminating' or fairlane_core.has_ended(v_worker.status)) then
    update public.workers as w
    set status = 'active',
      metadata = fairlane_core.metadata_without_end(w.metadata)
        || jsonb_build_object('last_error_reason', w.metadata -> 'error_reason')
    where w.id = p_worker_id
    returning w.* into v_worker;
  end if;

  return json_build_object('worker_id', v_worker.id, 'status', v_worker.status, 'kept_at', v_worker.kept_at);
end;
$$;

create function fairlane_core.has_called_lately(p_worker_id text)
returns boolean language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_since timestamptz := v_now - (select s.api_heartbeat_timeout from fairlane_core.settings as s);
begin
  return exists (
    select
    from public.tasks as t
    where t.worker_id = p_worker_id
      and t.status = 'In Progress'
      and t.token_id is null
      and fairlane_core.seen_at(greatest(t.claimed_at, t.reported_at), v_now) > v_since
  ) or exists (
    select
    from public.tasks as t
    where t.worker_id = p_worker_id
      and t.status = 'Complete'
      and t.token_id is null
      and t.generation_processed_at > v_since
      and fairlane_core.seen_at(t.generation_processed_at, v_now) > v_since
  );
end;
$$;

create function fairlane_core.metadata_after_return(p_worker public.workers)
returns jsonb language plpgsql immutable security invoker set search_path = '' as $$
begin
  return case
    when p_worker.goodbye_at is not null then fairlane_core.metadata_without_end(p_worker.metadata)
    when p_worker.reaped_at is null and p_worker.status <> 'crashed' then p_worker.metadata
    else fairlane_core.metadata_without_end(p_worker.metadata)
      || jsonb_build_object('last_error_reason', p_worker.metadata -> 'error_reason')
  end;
end;
$$;

create function fairlane_core.metadata_without_end(p_metadata jsonb)
returns jsonb language sql immutable security invoker set search_path = '' as $$
  select p_metadata - '{error_reason,error_time,termination_reason,self_terminated}'::text[];
$$;

create function fairlane_core.get_orchestrator_children(p_caller jsonb, p_orchestrator_task_id uuid, p_after text)
returns json language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_most constant integer := 1000;
  v_most_bytes constant integer := 32 * 1024 * 1024;
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_orchestrator public.tasks := fairlane_core.readable_task(v_caller, p_orchestrator_task_id);
  v_after_time timestamptz;
  v_after_id uuid;
  v_tasks json;
  v_found integer;
  v_told integer;
  v_last text;
begin
  if p_after is not null then
    begin
      v_after_time := split_part(p_after, ',', 1)::timestamp at time zone 'UTC';
      v_after_id := split_part(p_after, ',', 2)::uuid;
    exception when data_exception then
      perform fairlane_core.refuse(
        400, 'INVALID_ARGUMENT', 'after is not the next of an earlier reply',
        'Send next unchanged, or omit after to start from the beginning'
      );
    end;
  end if;

  with child as (
    select c.*
    from fairlane_core.children_of(v_orchestrator, v_most + 1, v_after_time, v_after_id) as c
  ),
  -- Params may be large, and the reply is built in the database's memory.
  measured as (
    select
      c.*,
      row_number() over in_order as place,
      sum(coalesce(l.params_length, 0) + coalesce(octet_length(c.output_location), 0)) over in_order as bytes,
      l.params_length is null as has_unfit_params
    from child as c
      cross join lateral (select fairlane_core.written_length(c.params, 8388608) as params_length) as l
    window in_order as (order by c.created_at, c.id)
  ),
  -- The first one always: a caller that pages must make progress.
  told as (
    select m.*, m.place <= v_most and (m.bytes <= v_most_bytes or m.place = 1) as is_told
    from measured as m
  )
  select
    coalesce(
      json_agg(
        json_build_object(
          'id', m.id, 'task_type', m.task_type, 'status', m.status,
          'params', case when m.has_unfit_params then '{}' when v_caller.user_id is null then fairlane_core.without_secrets(m.params) else m.params end,
          'output_location', m.output_location
        )
        order by m.place
      ) filter (where m.is_told),
      '[]'
    ),
    count(*),
    count(*) filter (where m.is_told),
    (array_agg(pg_catalog.format('%s,%s', m.created_at at time zone 'UTC', m.id) order by m.place desc) filter (where m.is_told))[1]
  into v_tasks, v_found, v_told, v_last
  from told as m;

  return json_build_object('tasks', v_tasks, 'is_cut', v_told < v_found, 'next', case when v_told < v_found then v_last end);
end;
$$;

create function fairlane_core.children_of(
  p_orchestrator public.tasks, p_limit integer, p_after_time timestamptz default null, p_after_id uuid default null
)
returns setof public.tasks language plpgsql stable security invoker set search_path = '' as $$
begin
  if exists (select from fairlane_core.orchestrations as o where o.orchestrator_id = p_orchestrator.id) then
    return query
    select t.*
    from fairlane_core.subtasks as s
      join public.tasks as t on t.id = s.task_id
    where s.orchestrator_id = p_orchestrator.id
      and t.user_id = p_orchestrator.user_id
      and (p_after_id is null or (t.created_at, t.id) > (p_after_time, p_after_id))
    order by t.created_at, t.id
    limit p_limit;
    return;
  end if;

  return query
  select t.*
  from public.tasks as t
  where t.user_id = p_orchestrator.user_id
    and t.created_at >= p_orchestrator.created_at - interval '1 day'
    and fairlane_core.parent_task_id(t.params) = p_orchestrator.id
    and t.id <> p_orchestrator.id
    and (p_after_id is null or (t.created_at, t.id) > (p_after_time, p_after_id))
  order by t.created_at, t.id
  limit p_limit;
end;
$$;

create function fairlane_core.explain_task(p_caller jsonb, p_task_id uuid)
returns json language plpgsql stable security definer set search_path = '' set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off as $$
declare
  v_limit constant integer := 10000;
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task public.tasks;
  v_readiness text;
  v_is_unsettled boolean;
  v_slots fairlane_core.user_slots;
  v_queue fairlane_core.user_queues;
  v_pool text;
  v_reason text;
  v_ahead integer;
  v_rivals integer;
  v_users_ahead integer;
  v_now timestamptz := fairlane_core.now();
  v_old_before timestamptz := fairlane_core.stale_before();
  v_is_behind boolean := exists (select from fairlane_core.deferred_work as w where w.task_type is not null);
begin
  select t.*
  into v_task
  from public.tasks as t
  where t.id = p_task_id
    and (v_caller.kind = 'service' or t.user_id = v_caller.user_id);
  if v_task.id is null then
    perform fairlane_core.refuse(404, 'TASK_NOT_FOUND', pg_catalog.format('There is no task %s', p_task_id));
  end if;

  -- Derived again: the stored value may be outdated by time.
  v_readiness := fairlane_core.task_readiness(v_task);
  -- Until a change has reached the task, claims and counts use its old state, and so does this.
  v_is_unsettled := v_task.status = 'Queued' and v_task.readiness in ('dependency_pending', 'dependency_lost', 'type_inactive') and (
    v_readiness = 'ready'
    or (v_readiness = 'dependency_lost' and exists (
      select
      from fairlane_core.task_dependencies as d
        join fairlane_core.deferred_work as w on w.task_id = d.depends_on
      where d.task_id = v_task.id
    ))
  );
  if v_is_unsettled and v_readiness = 'ready' then
    v_readiness := case v_task.readiness when 'type_inactive' then 'type_inactive' else 'dependency_pending' end;
  end if;
  select s.* into v_slots from fairlane_core.user_slots as s where s.user_id = v_task.user_id;
  select l.* into v_queue from fairlane_core.user_queues as l where l.user_id = v_task.user_id and l.pool = v_task.pool;

  v_reason := case
    when v_task.status <> 'Queued' then null
    when v_readiness in ('ready', 'stale') then coalesce(
      (select 'pool_paused' from fairlane_core.settings as c where v_task.pool = any (c.paused_pools)),
      fairlane_core.reason_of(v_slots, v_caller, v_task.run_type is distinct from 'local'),
      case when not v_task.takes_slot and v_slots.orchestrating >= v_slots.orchestration_limit then 'user_at_limit' end,
      nullif(v_readiness, 'ready')
    )
    else v_readiness
  end;

  -- The queue from which the owner's GPU machines take it, if that is not the queue of its pool.
  v_pool := case
    when fairlane_core.is_served_by(v_caller, 'gpu', v_task.pool, v_task.runs_on_own_gpu, v_task.run_type)
      and not exists (select from fairlane_core.settings as c where 'gpu' = any (c.paused_pools)) then 'gpu'
    else v_task.pool
  end;
  if v_readiness = 'ready' then
    -- The tasks before it are read in index order, and the limit bounds what is read, not only what is found: neither
    -- the tasks behind it nor stale ones before it are scanned.
    select least(count(*), v_limit), count(*) filter (where a.takes_slot = v_task.takes_slot)
    into v_ahead, v_rivals
    from (
      select kind.takes_slot
      from unnest(array[true, false]) as kind (takes_slot)
        cross join lateral (
          (
            select t.attempts, t.claimed_at, t.params, greatest(t.created_at, t.available_at, t.released_at) as since, t.task_type, t.pool, t.runs_on_own_gpu
            from public.tasks as t
            where t.user_id = v_task.user_id
              and t.pool = v_pool
              and t.run_type = v_task.run_type
              and t.takes_slot = kind.takes_slot
              and t.readiness = 'ready'
              and t.priority > v_task.priority
            limit v_limit
          )
          union all
          (
            select t.attempts, t.claimed_at, t.params, greatest(t.created_at, t.available_at, t.released_at), t.task_type, t.pool, t.runs_on_own_gpu
            from public.tasks as t
            where t.user_id = v_task.user_id
              and t.pool = v_pool
              and t.run_type = v_task.run_type
              and t.takes_slot = kind.takes_slot
              and t.readiness = 'ready'
              and t.priority = v_task.priority
              and (t.created_at, t.id) < (v_task.created_at, v_task.id)
            limit v_limit
          )
        ) as r
      where (
          r.attempts > 0
          or r.since >= v_old_before
          or not fairlane_core.is_stale(r.since, r.attempts > 0 or r.claimed_at is not null, r.params)
        )
        and not (v_is_behind and fairlane_core.is_behind_its_type(r.task_type, r.pool, kind.takes_slot, r.runs_on_own_gpu, 'ready'))
      union all
      -- Due, but not yet released. Among those of its own priority the order is their time, not that of the queue.
      select (d.task).takes_slot
      from (
        select q as task
        from public.tasks as q
        where q.readiness = 'not_yet'
          and q.available_at <= v_now
          and q.user_id = v_task.user_id
          and q.pool = v_pool
          and q.run_type = v_task.run_type
          and q.priority >= v_task.priority
        order by q.priority desc, q.available_at
        limit v_limit
      ) as d
      where (d.task).id <> v_task.id
        and (-(d.task).priority::bigint, (d.task).created_at, (d.task).id) < (-v_task.priority::bigint, v_task.created_at, v_task.id)
        -- The rule is evaluated where more than the time could hold the task back.
        and (
          (not v_is_behind and (d.task).dependant_on is null and greatest((d.task).created_at, (d.task).available_at, (d.task).released_at) >= v_old_before)
          or fairlane_core.task_readiness(d.task) = 'ready'
        )
      union all
      -- What machines of the owner run of other pools is in one queue with gpu.
      select o.takes_slot
      from fairlane_core.own_gpu_queue(v_caller, v_pool, 1000) as o
      where o.run_type = v_task.run_type
        and not (v_is_behind and fairlane_core.is_behind_its_type(o.task_type, o.pool, o.takes_slot, o.runs_on_own_gpu, o.readiness))
        and (o.attempts > 0 or greatest(o.created_at, o.available_at, o.released_at) >= v_old_before or not fairlane_core.is_stale(greatest(o.created_at, o.available_at, o.released_at), o.attempts > 0 or o.claimed_at is not null, o.params))
        and (-o.priority::bigint, o.created_at, o.id) < (-v_task.priority::bigint, v_task.created_at, v_task.id)
      union all
      select e.takes_slot
      from fairlane_core.own_gpu_due(v_caller, v_pool, 1000) as e
      where e.run_type = v_task.run_type
        and e.pool <> all ((select c.paused_pools from fairlane_core.settings as c)::text[])
        and e.id <> v_task.id
        and (-e.priority::bigint, e.created_at, e.id) < (-v_task.priority::bigint, v_task.created_at, v_task.id)
        and fairlane_core.task_readiness(e) = 'ready'
    ) as a;

    -- The tasks before it use up the owner's limit: its turn comes when one of them has ended, as counts see it.
    if v_rivals >= (
      case
        when v_task.takes_slot then v_slots.task_limit - v_slots.running
        else v_slots.orchestration_limit - v_slots.orchestrating
      end
    ) then
      v_reason := coalesce(v_reason, 'user_at_limit');
    end if;

    -- An empty queue begins to wait when its first task is released.
    if v_queue.user_id is null or v_queue.ready_cloud + v_queue.ready_cloud_orchestration = 0 then
      v_queue.last_served_at := v_now;
    end if;

    select count(*)
    into v_users_ahead
    from (
      select
      from fairlane_core.user_queues as l
      where l.pool = v_task.pool
        and l.is_open
        and v_task.run_type = 'cloud' and v_caller.kind <> 'token' -- the user's own machine serves no other user
        and (l.turn_load, l.last_served_at) < (v_slots.running + v_slots.orchestrating + v_slots.remembered, v_queue.last_served_at)
      limit v_limit
    ) as u;
  end if;

  return json_build_object(
    'task_id', v_task.id,
    'status', v_task.status,
    'claimable', v_task.status = 'Queued' and v_reason is null,
    'reason', v_reason,
    'remedy', fairlane_core.remedy(coalesce(
        v_reason,
        case
          when v_task.status = 'Queued' then 'ready'
          when v_task.status = 'In Progress' and v_task.token_id is not null and not exists (
            select
            from public.user_api_tokens as k
            where k.id = v_task.token_id
              and k.revoked_at is null
              and (k.expires_at is null or k.expires_at > v_now)
          ) then 'token_ended'
          else v_task.status
        end
      ))
      || case
        when v_is_unsettled and v_readiness = 'type_inactive' then '; it is on, and the task is released in turn, within a minute or so'
        when v_is_unsettled and v_readiness = 'dependency_pending' then ', and have: it is released in turn, within a minute or so'
        when v_is_unsettled then '; it ends for that in turn, within a minute or so'
        else ''
      end
      -- What only the fleet may not run, the owner's own machine may: usually one with a GPU, which claims for that
      -- pool.
      || case
        when v_caller.user_id is not null and v_reason in ('no_credits', 'cloud_disabled')
          and v_readiness = 'ready' and v_slots.local_reason is null then
            case
              when v_task.pool = 'gpu' or v_task.runs_on_own_gpu then '; the owner''s own machine can run it now'
              else pg_catalog.format('; a machine of the owner''s that claims for %s can run it now', v_task.pool)
            end
        else ''
      end
      -- Under a shared name only the machine itself can show that it runs the task.
      || coalesce(
        '; its machine shares the name ' || fairlane_core.sent_name(v_task.worker_id)
          || ' with others, and it is requeued unless one of them names it before ' || (to_json(fairlane_core.named_before(v_task)) #>> '{}'), ''
      ),
    'pool', v_task.pool,
    'runs_on_own_gpu', v_task.runs_on_own_gpu,
    'attempts', v_task.attempts,
    'max_attempts', fairlane_core.starts_allowed(v_task),
    'available_at', v_task.available_at,
    'worker_id', case v_caller.kind when 'service' then v_task.worker_id else fairlane_core.sent_name(v_task.worker_id) end,
    'tasks_ahead', v_ahead,
    'users_ahead', v_users_ahead,
    'running', v_slots.running,
    'task_limit', v_slots.task_limit,
    'orchestrating', v_slots.orchestrating,
    'orchestration_limit', v_slots.orchestration_limit,
    'held', (select count(*) from fairlane_core.held_slots as h where h.user_id = v_task.user_id and h.let_go_at is null),
    'waits_for', (
      select json_agg(json_build_object('task_id', d.depends_on, 'status', t.status))
      from fairlane_core.task_dependencies as d
        -- Somebody else's task counts as missing, and nothing is revealed about it.
        left join public.tasks as t on t.id = d.depends_on and t.user_id is not distinct from v_task.user_id
      where d.task_id = v_task.id
        and t.status is distinct from 'Complete'
    )
  );
end;
$$;

create function fairlane_core.remedy(p_reason text)
returns text language plpgsql immutable security invoker set search_path = '' as $$
begin
  return case p_reason
    when 'ready' then 'Nothing: it runs when its owner''s turn comes and a worker claims'
    when 'no_owner' then 'Give it a project: it has no owner'
    when 'no_run_type' then 'An operator sets run_type to cloud or local, or cancels it: it is from before that column existed'
    when 'type_inactive' then 'Switch its type on in task_types'
    when 'not_yet' then 'Wait until available_at'
    when 'dependency_pending' then 'The tasks it waits for have to complete'
    when 'dependency_lost' then 'It can never run: a task it waits for failed, was cancelled or is missing'
    when 'pool_paused' then 'An operator takes its pool out of fairlane_core.settings.paused_pools'
    when 'no_credits' then 'Its owner needs credits'
    when 'cloud_disabled' then pg_catalog.format('Its owner switches settings.%s on', array_to_string(fairlane_core.switch_path('cloud'), '.'))
    when 'local_disabled' then pg_catalog.format('Its owner switches settings.%s on', array_to_string(fairlane_core.switch_path('local'), '.'))
    when 'user_at_limit' then 'One of its owner''s running tasks has to end (and, if others ended it, its worker let go), or the limit be raised'
    when 'stale' then 'Enqueue it again: it could have run for longer than fairlane_core.settings.stale_after and was never started'
    when 'token_ended' then 'Nothing: the token of its machine was revoked or has expired, so it is requeued within a minute'
    when 'In Progress' then 'Nothing: it is running'
    else 'Nothing: it has ended'
  end;
end;
$$;

create function fairlane_core.health(p_caller jsonb)
returns json language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_settled_within constant interval := interval '5 minutes';
  v_noticed_for constant interval := interval '7 days';
  v_reasons json;
begin
  perform fairlane_core.resolve_caller(p_caller, array['service']);

  select coalesce(json_agg(json_build_object('code', r.code, 'message', r.message)), '[]')
  into v_reasons
  from (
    select case when l.is_failing then 'JOB_FAILED' else 'JOB_LATE' end as code, l.message
    from fairlane_core.late_jobs() as l
    union all
    -- The rules of the queue are triggers: without them nothing is counted and nothing refused.
    select 'RESTORE_UNFINISHED', pg_catalog.format(
      '%s triggers of the queue are switched off; finish the restore with fairlane_core.rebuild()', count(*)
    )
    from pg_trigger as t
      join pg_proc as p on p.oid = t.tgfoid
    where p.pronamespace = 'fairlane_core'::regnamespace
      and t.tgenabled = 'D'
    having count(*) > 0
    union all
    select 'DRIFT', pg_catalog.format(
      'The counters of %s owners had drifted and were repaired at %s; please report it', r.result ->> 'repaired', r.ran_at
    )
    from fairlane_core.job_runs as r
    where r.job = 'reconcile'
      and (r.result ->> 'repaired')::integer > 0
    union all
    select 'ROW_MISSING', pg_catalog.format('There must always be %s, and it is gone: %s', m.row_name, m.hint)
    from fairlane_core.missing_rows() as m
    union all
    -- The job runs without result: its work fails each time, or somebody holds it. No job reports an error for that.
    select 'SETTLING_LATE', pg_catalog.format(
      '%s changes have not been carried out for more than %s minutes, the oldest (%s) since %s; select * from fairlane_core.deferred_work where since < %L',
      count(*), extract(minute from v_settled_within)::integer, (array_agg(w.kind order by w.since, w.id))[1], min(w.since),
      v_now - v_settled_within
    )
    from fairlane_core.deferred_work as w
    where w.since < v_now - v_settled_within
    having count(*) > 0
    union all
    select 'HELD_UP', h.message
    from fairlane_core.held_up(v_now, interval '10 seconds') as h
  ) as r;

  return json_build_object(
    'version', fairlane_core.version(),
    'status', case when json_array_length(v_reasons) = 0 then 'ok' else 'degraded' end,
    'reasons', v_reasons,
    'notices', (
      select coalesce(json_agg(json_build_object('code', n.code, 'message', n.message) order by n.code, n.message), '[]')
      from (
        select 'FIELD_NOT_USED' as code, pg_catalog.format(
          '%s gets %s, which %s not used (%s times since %s)',
          u.endpoint, string_agg(u.field, ', ' order by u.field), case when count(*) = 1 then 'is' else 'are' end,
          max(u.calls), min(u.first_at)
        ) as message
        from fairlane_core.unused_fields as u
        where u.last_at > v_now - v_noticed_for
        group by u.endpoint
        union all
        -- One reason, however many types.
        select 'UNKNOWN_TASK_TYPE', pg_catalog.format(
          'In the last week tasks were enqueued with %s types that have no row in task_types and so count as %s: %s%s. select public.unknown_task_types() lists them; select public.set_task_type(%L) says that this is right, with a second argument what it is instead',
          count(*),
          case
            when bool_and(fairlane_core.takes_slot(u.name, null)) then 'gpu work without a result record'
            when not bool_or(fairlane_core.takes_slot(u.name, null)) then 'gpu orchestration'
            else 'gpu work without a result record, or by their names as orchestration'
          end,
          array_to_string(
            (array_agg(pg_catalog.format('%s (%s, last at %s)', left(u.name, 60), u.task_count, u.last_seen_at) order by u.last_seen_at desc, u.name))[1:3],
            ', '
          ),
          case when count(*) > 3 then ', …' else '' end,
          (array_agg(u.name order by u.last_seen_at desc, u.name))[1]
        )
        from fairlane_core.unknown_types as u
        where u.last_seen_at > v_now - v_noticed_for
          and not exists (select from public.task_types as y where y.name = u.name)
        having count(*) > 0
      ) as n
    ),
    'checked_at', coalesce(v_now, pg_catalog.now()), -- the clock is in a row that may be gone
    'database_started_at', pg_postmaster_start_time(),
    'jobs', (
      select coalesce(json_agg(json_build_object(
        'job', r.job,
        'period_seconds', extract(epoch from r.period),
        'ran_at', r.ran_at,
        'took_ms', round((extract(epoch from r.took) * 1000)::numeric, 1),
        'result', r.result,
        'failed_at', r.failed_at,
        'error', r.error
      ) order by r.job), '[]')
      from fairlane_core.job_runs as r
    )
  );
end;
$$;

create function fairlane_core.count_warnings(p_pool text, p_load fairlane_core.load_summary, p_oldest timestamptz)
returns json language plpgsql stable security invoker set search_path = '' as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_sample record;
  v_arrivals integer;
begin
  select m.sampled_at, sum(m.claimable) as claimable, max(m.last_event_id) as last_event_id
  into v_sample
  from fairlane_core.minute_samples as m
  where m.sampled_at = (select max(x.sampled_at) from fairlane_core.minute_samples as x where x.sampled_at < v_now)
    and (p_pool is null or m.pool = p_pool)
  group by m.sampled_at;

  -- The tasks enqueued since explain that many.
  if v_sample.claimable = 0 then
    select count(*)
    into v_arrivals
    from (
      select
      from public.task_events as e
        cross join lateral (select k.pool from public.tasks as k where k.id = e.task_id offset 0) as t
      where e.id > v_sample.last_event_id
        and e.from_status is null
        and (p_pool is null or t.pool = p_pool)
      limit p_load.claimable
    ) as a;
  end if;

  return (
    select coalesce(json_agg(json_build_object('code', w.code, 'message', w.message)), '[]')
    from (
      select 'JUMP_FROM_ZERO' as code, pg_catalog.format(
        '%s tasks are claimable, a minute ago there were none: check what they are before renting for all of them', p_load.claimable
      ) as message
      where p_load.claimable >= 10
        and v_sample.claimable = 0
        and v_arrivals < p_load.claimable
      union all
      select 'WORK_OLDER_THAN_A_DAY', pg_catalog.format('The oldest claimable task could run since %s', p_oldest)
      where p_oldest < v_now - interval '1 day'
      union all
      select 'SETTLING', pg_catalog.format(
        'Since %s a change is being carried out for all tasks that it concerns; what it has not reached does not count as claimable',
        min(k.since)
      )
      from fairlane_core.deferred_work as k
      where k.task_type is not null
      having count(*) > 0
      union all
      select 'ONE_OWNER', pg_catalog.format('All %s claimable tasks belong to one user', p_load.claimable)
      where p_load.claimable >= 10
        and p_load.owners = 1
      union all
      select 'NO_WORKER_BEATING', 'There is gpu work and no worker has sent a heartbeat within the silence limit'
      where case
          when p_pool = 'gpu' then p_load.claimable
          when p_pool is null then fairlane_core.claimable_count(('service', null, null)::fairlane_core.caller, 'gpu')
        end > 0
        and not exists (
          select
          from public.workers as k
          -- Last heartbeats, and those of machines that were sent away, bring no worker.
          where k.status <> 'terminating'
          and not fairlane_core.has_ended(k.status)
            -- Asked of few: while all are silent, this would be asked of each.
            and k.last_heartbeat > v_now - (select s.gpu_heartbeat_timeout from fairlane_core.settings as s)
            and fairlane_core.is_beating(k.last_heartbeat)
            and k.instance_type <> 'api'
        )
      union all
      -- One warning for all jobs: when pg_cron stands still, all of them do.
      select case when l.is_failing then 'JOB_FAILED' else 'JOB_LATE' end, string_agg(l.message, '; ' order by l.job)
      from fairlane_core.late_jobs() as l
      group by l.is_failing
    ) as w
  );
end;
$$;

create function fairlane_core.late_jobs()
returns table (job text, ran_at timestamptz, is_failing boolean, message text) language plpgsql stable security invoker set search_path = '' as $$
#variable_conflict use_column
begin
  return query
  select
    r.job, r.ran_at, coalesce(r.failed_at > coalesce(r.ran_at, '-infinity'), false),
    case
      when r.failed_at > coalesce(r.ran_at, '-infinity') then pg_catalog.format('Job %s fails since %s: %s', r.job, r.failed_at, r.error)
      else pg_catalog.format('Job %s last ran at %s: %s', r.job, coalesce(r.ran_at::text, '(never)'), fairlane_core.why_late(r.job))
    end
  from fairlane_core.job_runs as r
  where r.failed_at > coalesce(r.ran_at, '-infinity')
    or coalesce(r.ran_at, r.scheduled_at) < fairlane_core.now() - 2 * r.period;
end;
$$;

create function fairlane_core.why_late(p_job text)
returns text language plpgsql stable security invoker set search_path = '' as $$
declare
  v_name constant text := 'fairlane-' || replace(p_job, '_', '-');
  v_is_active boolean;
begin
  if to_regclass('cron.job') is null then
    return 'pg_cron is not installed; docs/operations.md says how the jobs come back';
  end if;

  -- Dynamic SQL: without the table a function that names it would fail.
  execute 'select bool_or(j.active) from cron.job as j where j.jobname = $1' into v_is_active using v_name;
  return case
    when v_is_active then pg_catalog.format('%s is active in cron.job: is pg_cron running?', v_name)
    when not v_is_active then pg_catalog.format(
      'it is paused; it goes on with select cron.alter_job(jobid, active := true) from cron.job where jobname = %L', v_name
    )
    else pg_catalog.format(
      '%s is not in cron.job; it comes back with select cron.schedule(%L, %L, %L)',
      v_name, v_name,
      case
        when (select r.period from fairlane_core.job_runs as r where r.job = p_job) <= interval '1 minute' then '* * * * *'
        when (select r.period from fairlane_core.job_runs as r where r.job = p_job) < interval '1 hour' then '*/10 * * * *'
        else '17 * * * *'
      end,
      pg_catalog.format('select fairlane_core.run_job(%L)', p_job)
    )
  end;
exception
  when insufficient_privilege then
    return 'is pg_cron running?';
end;
$$;

create function fairlane_core.health_while_locked(p_caller jsonb)
returns json language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
begin
  perform fairlane_core.resolve_caller(p_caller, array['service']);
  return json_build_object(
    'version', fairlane_core.version(),
    'status', 'degraded',
    'reasons', (
      select coalesce(
        json_agg(json_build_object('code', 'HELD_UP', 'message', h.message) order by h.since),
        '[{"code": "HELD_UP", "message": "A table of the queue was locked a moment ago"}]'
      )
      from fairlane_core.held_up(pg_catalog.now(), interval '0') as h
    ),
    'notices', '[]'::json,
    'checked_at', pg_catalog.now(),
    'database_started_at', pg_postmaster_start_time(),
    'jobs', '[]'::json
  );
end;
$$;

create function fairlane_core.held_up(p_now timestamptz, p_age interval)
returns table (pid integer, since timestamptz, message text) language plpgsql stable security invoker set search_path = '' as $$
#variable_conflict use_column
begin
  return query
  with used as materialized (
    select c.oid
    from pg_catalog.pg_class as c
    where c.relkind = 'r'
      and (
        c.relnamespace = 'fairlane_core'::regnamespace
        or (c.relnamespace = 'public'::regnamespace and c.relname in (
          'users', 'projects', 'task_types', 'tasks', 'workers', 'generations', 'task_events', 'system_logs', 'user_api_tokens'
        ))
      )
  ),
  locks as materialized (
    select l.pid, l.granted, l.relation, l.mode
    from pg_catalog.pg_locks as l
      join used as u on u.oid = l.relation
    where l.locktype = 'relation'
      and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())
  ),
  waiting as materialized (
    select a.pid, pg_catalog.pg_blocking_pids(a.pid) as blockers
    from pg_catalog.pg_stat_activity as a
    where a.wait_event_type = 'Lock'
      and a.pid in (select l.pid from locks as l)
  ),
  -- The first in each chain of waits: a session that waits itself is no cause.
  causes as (
    select
      a.pid,
      a.xact_start,
      a.usename,
      a.application_name,
      a.state,
      a.state_change,
      -- Only the kind of its last statement: the text contains values.
      upper((regexp_match(a.query, '^\s*([A-Za-z]+)'))[1]) as command,
      (
        select string_agg(distinct l.relation::regclass::text, ', ')
        from locks as l
        where l.pid = a.pid
          and l.granted
          and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
      ) as locked_tables,
      exists (
        select
        from locks as l
        where l.pid = a.pid
          and l.granted
          and l.mode in ('RowShareLock', 'RowExclusiveLock')
          and l.relation in ('public.tasks'::regclass, 'fairlane_core.user_slots'::regclass)
      ) as has_rows,
      (select count(*) from waiting as w where a.pid = any (w.blockers)) as waiting_count
    from pg_catalog.pg_stat_activity as a
    where a.datname = current_database()
      and a.pid <> pg_backend_pid()
      and a.pid not in (select w.pid from waiting as w)
      and a.xact_start < p_now - p_age
  )
  select
    c.pid,
    c.xact_start,
    pg_catalog.format(
      'Session %s (user %s, application %s, %s since %s, last statement: %s) has had a transaction open since %s that holds %s; %s wait for it. Work of the owners it holds is passed over. To end it: select pg_terminate_backend(%s)',
      c.pid, c.usename, coalesce(nullif(c.application_name, ''), 'unnamed'), coalesce(c.state, 'state unknown'), c.state_change,
      coalesce(c.command, 'unknown'), c.xact_start,
      coalesce('the tables ' || c.locked_tables, case when c.has_rows then 'rows of tasks or owners' else 'what others wait for' end),
      c.waiting_count, c.pid
    )
  from causes as c
  where c.locked_tables is not null
    or c.has_rows
    or c.waiting_count > 0
  order by c.xact_start;
end;
$$;

create function fairlane_core.claimable_count(p_caller fairlane_core.caller, p_pool text)
returns integer language plpgsql stable security invoker set search_path = '' as $$
begin
  return (fairlane_core.load_summary(p_caller, p_pool)).claimable;
end;
$$;

create function fairlane_core.load_summary(p_caller fairlane_core.caller, p_pool text)
returns fairlane_core.load_summary language plpgsql stable security invoker set search_path = '' set enable_sort = off as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_own boolean := p_caller.user_id is not null;
  v_apart uuid[];
  v_none_apart boolean;
  v_paused text[] := (select s.paused_pools from fairlane_core.settings as s);
  v_none_paused boolean := v_paused = '{}';
  v_ready integer;
  v_sum fairlane_core.load_summary;
begin
  -- Two queries show that nothing is outdated, as is almost always the case.
  if (
      select true from public.tasks as t where t.readiness = 'not_yet' and t.available_at <= v_now order by t.available_at limit 1
    )
    or (
      select true
      from public.tasks as t
      where t.readiness = 'ready'
        and t.attempts = 0
        and t.claimed_at is null
        and greatest(t.created_at, t.available_at, t.released_at) < fairlane_core.stale_before()
      order by greatest(t.created_at, t.available_at, t.released_at)
      limit 1
    ) then
    v_sum.overtaken := array(select o from fairlane_core.due_readiness_changes(p_caller.user_id) as o);
  end if;
  if exists (select from fairlane_core.deferred_work as w where w.task_type is not null) then
    v_sum.overtaken := v_sum.overtaken || array(select o from fairlane_core.overtaken_by_types(p_caller.user_id) as o);
  end if;

  if v_own then
    v_sum.overtaken := v_sum.overtaken || array(select o from fairlane_core.own_gpu_load(p_caller, p_pool) as o);
    v_apart := array[p_caller.user_id];
  else
    v_apart := array(
      select o.user_id
      from unnest(v_sum.overtaken) as o
      where o.user_id is not null
        and (p_pool is null or o.pool = p_pool)
      union
      select a.user_id
      from fairlane_core.user_queues as a
        join fairlane_core.user_queues as g on g.user_id = a.user_id and g.pool <> a.pool
      where p_pool is null
        and a.pool <> 'gpu'
    );
  end if;
  v_none_apart := v_apart = '{}';

  -- Whether a queue is open, and running and the limit of an open one, are updated together with its owner's slots.
  select
    coalesce(sum(
      least(l.ready_cloud_orchestration, l.orchestration_room) + least(l.ready_cloud, l.task_limit - l.running)
    ) filter (where l.is_open and (v_none_paused or l.pool <> all (v_paused))), 0),
    count(*) filter (where l.is_open and (v_none_paused or l.pool <> all (v_paused))),
    count(*) filter (where l.ready_cloud + l.ready_cloud_orchestration + l.active_cloud > 0),
    coalesce(sum(l.ready_cloud + l.ready_cloud_orchestration) filter (where (v_none_paused or l.pool <> all (v_paused))), 0),
    coalesce(sum(l.ready_cloud + l.ready_cloud_orchestration) filter (where l.closed_by = 'no_credits' and (v_none_paused or l.pool <> all (v_paused))), 0),
    coalesce(sum(l.ready_cloud + l.ready_cloud_orchestration) filter (where l.closed_by = 'cloud_disabled' and (v_none_paused or l.pool <> all (v_paused))), 0),
    0,
    coalesce(sum(l.active_cloud), 0),
    coalesce(sum(l.active_cloud_orchestration), 0),
    coalesce(sum(l.active_local + l.active_local_orchestration), 0)
  into
    v_sum.claimable, v_sum.owners, v_sum.users, v_ready, v_sum.no_credits, v_sum.cloud_disabled, v_sum.local_disabled,
    v_sum.active, v_sum.active_orchestration, v_sum.active_elsewhere
  from fairlane_core.user_queues as l
  where not v_own
    and (p_pool is null or l.pool = p_pool)
    and (v_none_apart or l.user_id not in (select a.user_id from unnest(v_apart) as a (user_id)));
  v_sum.pool_paused := 0;
  if not v_none_paused then
    select coalesce(sum(l.ready), 0)
    into v_sum.pool_paused
    from (
      select
        k.user_id, k.pool,
        k.ready_cloud + k.ready_cloud_orchestration
          + case when v_own then k.ready_local + k.ready_local_orchestration else 0 end as ready
      from fairlane_core.user_queues as k
      union all
      select o.user_id, o.pool, o.delta
      from unnest(v_sum.overtaken) as o
      where o.readiness = 'ready'
        and (o.is_cloud or v_own)
    ) as l
    where l.pool = any (v_paused)
      and (p_pool is null or l.pool = p_pool)
      and (not v_own or l.user_id = p_caller.user_id);
  end if;
  v_sum.user_at_limit := v_ready - v_sum.no_credits - v_sum.cloud_disabled - v_sum.claimable;
  if v_none_apart then
    return v_sum;
  end if;

  v_sum.apart := array(select u from fairlane_core.user_load(p_caller, p_pool, v_apart, v_sum.overtaken) as u);
  select
    v_sum.claimable + coalesce(sum(u.claimable), 0),
    v_sum.owners + count(*) filter (where u.claimable > 0),
    v_sum.users + count(*) filter (where u.ready > 0 or u.active > 0),
    v_sum.user_at_limit + coalesce(sum(u.ready - u.claimable) filter (where coalesce(u.reason, 'user_at_limit') = 'user_at_limit'), 0),
    v_sum.no_credits + coalesce(sum(u.ready) filter (where u.reason = 'no_credits'), 0),
    v_sum.cloud_disabled + coalesce(sum(u.ready) filter (where u.reason = 'cloud_disabled'), 0),
    coalesce(sum(u.ready) filter (where u.reason = 'local_disabled'), 0),
    v_sum.active + coalesce(sum(u.active), 0),
    v_sum.active_orchestration + coalesce(sum(u.active_orchestration), 0),
    v_sum.active_elsewhere + coalesce(sum(u.active_elsewhere), 0)
  into
    v_sum.claimable, v_sum.owners, v_sum.users, v_sum.user_at_limit, v_sum.no_credits, v_sum.cloud_disabled,
    v_sum.local_disabled, v_sum.active, v_sum.active_orchestration, v_sum.active_elsewhere
  from unnest(v_sum.apart) as u;

  -- For a signed-in user: cloud and local tasks may wait for different reasons.
  if p_caller.kind = 'user' then
    select
      sum(l.ready) filter (where l.reason = 'no_credits'),
      sum(l.ready) filter (where l.reason = 'cloud_disabled'),
      sum(l.ready) filter (where l.reason = 'local_disabled'),
      sum(l.ready) filter (where coalesce(l.reason, 'user_at_limit') = 'user_at_limit')
    into v_sum.no_credits, v_sum.cloud_disabled, v_sum.local_disabled, v_sum.user_at_limit
    from (
      select k.ready, fairlane_core.reason_of(s, p_caller, k.is_cloud) as reason
      from (
        select true as is_cloud, c.ready_cloud + c.ready_cloud_orchestration as ready
        from fairlane_core.user_queues as c
        where c.user_id = p_caller.user_id and (p_pool is null or c.pool = p_pool) and c.pool <> all (v_paused)
        union all
        select false, c.ready_local + c.ready_local_orchestration
        from fairlane_core.user_queues as c
        where c.user_id = p_caller.user_id and (p_pool is null or c.pool = p_pool) and c.pool <> all (v_paused)
        union all
        select o.is_cloud, o.delta
        from unnest(v_sum.overtaken) as o
        where o.readiness = 'ready' and o.user_id = p_caller.user_id and (p_pool is null or o.pool = p_pool)
          and o.pool <> all (v_paused)
      ) as k
        join fairlane_core.user_slots as s on s.user_id = p_caller.user_id
    ) as l;
    v_sum.no_credits := coalesce(v_sum.no_credits, 0);
    v_sum.cloud_disabled := coalesce(v_sum.cloud_disabled, 0);
    v_sum.local_disabled := coalesce(v_sum.local_disabled, 0);
    v_sum.user_at_limit := greatest(coalesce(v_sum.user_at_limit, 0) - v_sum.claimable, 0);
  end if;
  return v_sum;
end;
$$;

create function fairlane_core.user_load(p_caller fairlane_core.caller, p_pool text, p_user_ids uuid[], p_overtaken fairlane_core.counter_delta[])
returns setof fairlane_core.user_load_row language plpgsql stable security invoker set search_path = '' as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_own boolean := p_caller.user_id is not null;
  v_paused text[] := (select c.paused_pools from fairlane_core.settings as c);
begin
  return query
  with load as (
    select
      l.user_id,
      coalesce(sum(l.ready_cloud) filter (where l.pool <> all (v_paused)), 0) as ready_cloud,
      coalesce(sum(l.ready_cloud_orchestration) filter (where l.pool <> all (v_paused)), 0) as ready_cloud_orchestration,
      coalesce(sum(case when v_own then l.ready_local else 0 end) filter (where l.pool <> all (v_paused)), 0) as ready_local,
      coalesce(sum(case when v_own then l.ready_local_orchestration else 0 end) filter (where l.pool <> all (v_paused)), 0) as ready_local_orchestration,
      sum(l.active_cloud + case when v_own then l.active_local else 0 end) as active,
      sum(l.active_cloud_orchestration + case when v_own then l.active_local_orchestration else 0 end) as active_orchestration,
      sum(case when v_own then 0 else l.active_local + l.active_local_orchestration end) as active_elsewhere,
      min(l.last_served_at) as last_served_at
    from (
      select
        c.user_id, c.pool, c.ready_cloud, c.ready_local, c.ready_cloud_orchestration, c.ready_local_orchestration,
        c.active_cloud, c.active_local, c.active_cloud_orchestration, c.active_local_orchestration, c.last_served_at
      from fairlane_core.user_queues as c
      where c.user_id = any (p_user_ids)
      union all
      select
        o.user_id, o.pool,
        case when o.is_cloud and o.takes_slot then o.delta else 0 end,
        case when not o.is_cloud and o.takes_slot then o.delta else 0 end,
        case when o.is_cloud and not o.takes_slot then o.delta else 0 end,
        case when not o.is_cloud and not o.takes_slot then o.delta else 0 end,
        0, 0, 0, 0, v_now
      from unnest(p_overtaken) as o
      where o.readiness = 'ready'
        and o.user_id = any (p_user_ids)
      union all
      select o.user_id, o.pool, 0, 0, 0, 0, o.delta, 0, 0, 0, v_now
      from unnest(p_overtaken) as o
      where o.readiness = 'active'
        and o.user_id = any (p_user_ids)
    ) as l
    where p_pool is null
      or l.pool = p_pool
    group by l.user_id
  ),
  judged as (
    select
      l.*, s.running, s.task_limit, greatest(s.orchestration_limit - s.orchestrating, 0) as orchestration_room,
      fairlane_core.reason_of(s, p_caller, true) as cloud_reason, s.local_reason
    from load as l
      join fairlane_core.user_slots as s on s.user_id = l.user_id
  )
  select
    j.user_id,
    case
      when not v_own or j.ready_cloud + j.ready_cloud_orchestration > 0
        and (j.cloud_reason is null or j.local_reason is not null or j.ready_local + j.ready_local_orchestration = 0)
        then j.cloud_reason
      else j.local_reason
    end,
    (j.ready_cloud + j.ready_cloud_orchestration + j.ready_local + j.ready_local_orchestration)::integer,
    (
      least(
        case when j.cloud_reason is null then j.ready_cloud_orchestration else 0 end
          + case when j.local_reason is null then j.ready_local_orchestration else 0 end,
        j.orchestration_room
      )
      + greatest(
        least(
          case when j.cloud_reason is null then j.ready_cloud else 0 end
            + case when j.local_reason is null then j.ready_local else 0 end,
          j.task_limit - j.running
        ), 0
      )
    )::integer,
    j.active::integer,
    j.active_orchestration::integer,
    j.active_elsewhere::integer,
    j.running,
    j.task_limit,
    j.last_served_at
  from judged as j;
end;
$$;

create function fairlane_core.reason_of(p_slots fairlane_core.user_slots, p_caller fairlane_core.caller, p_is_cloud boolean)
returns text language plpgsql immutable security invoker set search_path = '' as $$
begin
  return case when p_is_cloud and p_caller.kind <> 'token' then p_slots.cloud_reason else p_slots.local_reason end;
end;
$$;

create function fairlane_core.busy_beside(p_caller fairlane_core.caller, p_pool text, p_load fairlane_core.load_summary)
returns integer language plpgsql stable security invoker set search_path = '' as $$
declare
  v_most constant integer := 1000;
  v_own boolean := p_caller.user_id is not null;
  v_orchestrating integer := 0;
  v_held integer;
begin
  -- Skipped if the sums contain none.
  if p_load.active_orchestration > 0 then
    with kind as (
      -- The owner's orchestration slots say how many still need a worker, over all pools and all kinds of caller.
      select
        l.user_id,
        sum(case when p_pool is null or l.pool = p_pool then l.active_cloud_orchestration + case when v_own then l.active_local_orchestration else 0 end else 0 end) as here,
        sum(l.active_cloud_orchestration + l.active_local_orchestration) as everywhere,
        min(s.orchestrating) as orchestrating
      from fairlane_core.user_queues as l
        join fairlane_core.user_slots as s on s.user_id = l.user_id
      where l.active_cloud_orchestration + l.active_local_orchestration > 0
        and s.orchestrating > 0
        and (not v_own or l.user_id = p_caller.user_id)
      group by l.user_id
    ),
    working as (
      select
        k.user_id, k.here, k.everywhere,
        k.orchestrating - (
          select count(*) from fairlane_core.held_slots as h where h.user_id = k.user_id and h.let_go_at is null and not h.takes_slot
        ) as orchestrating
      from kind as k
      where k.here > 0
    ),
    -- Read only for an owner who has some here, some elsewhere, and only some that wait.
    waiting as materialized (
      select t.user_id
      from (select h.orchestrator_id from fairlane_core.handovers as h limit v_most) as h
        join public.tasks as t on t.id = h.orchestrator_id
      where (p_pool is null or t.pool = p_pool)
        and (v_own or t.token_id is null)
    )
    select coalesce(sum(
      case
        when w.here = w.everywhere or w.orchestrating in (0, w.everywhere) then least(w.here, w.orchestrating)
        else least(w.here - (select count(*) from waiting as h where h.user_id = w.user_id), w.orchestrating)
      end
    ), 0)
    into v_orchestrating
    from working as w;
  end if;

  select count(*)
  into v_held
  from fairlane_core.held_slots as h
  where h.let_go_at is null
    and (
      p_pool is null or h.pool = p_pool
      or (v_own and (
        select fairlane_core.is_served_by(p_caller, p_pool, t.pool, t.runs_on_own_gpu, t.run_type) from public.tasks as t where t.id = h.task_id
      ))
    )
    and (v_own or h.token_id is null)
    and (not v_own or h.user_id = p_caller.user_id);
  return greatest(v_orchestrating, 0) + v_held;
end;
$$;

create function fairlane_core.preview_claim(p_caller fairlane_core.caller, p_pool text)
returns json language plpgsql stable security invoker set search_path = '' as $$
declare
  v_load fairlane_core.load_summary := fairlane_core.load_summary(p_caller, p_pool);
  v_turns fairlane_core.user_load_row[] := array(select u from fairlane_core.users_in_turn(p_caller, p_pool, v_load, 5) as u);
  v_task public.tasks;
begin
  -- By key: as a join, a plan from when the queue was small would scan all tasks.
  select t.*
  into v_task
  from public.tasks as t
  where t.id = (
    -- The first that can be handed out; a claim would end the others on its way.
    select n.task_id
    from fairlane_core.next_tasks(p_caller, p_pool, 5, v_turns) with ordinality as n (task_id, task_type, user_id, created_at, since, place)
    where (
      select fairlane_core.fits_a_reply(k.has_bounded_params, k.params)
      from public.tasks as k
      where k.id = n.task_id
    )
    order by n.place
    limit 1
  );

  v_task.params := fairlane_core.without_secrets(v_task.params);
  return json_build_object(
    'dry_run', true,
    'available_tasks', v_load.claimable,
    'task', case when v_task.id is not null then fairlane_core.claim_reply(v_task)::jsonb - 'lease_token' end
  );
end;
$$;

create function fairlane_core.next_tasks(p_caller fairlane_core.caller, p_pool text, p_limit integer, p_turns fairlane_core.user_load_row[])
returns table (task_id uuid, task_type text, user_id uuid, created_at timestamptz, since timestamptz) language plpgsql stable security invoker set search_path = '' as $$
#variable_conflict use_column
declare
  v_now timestamptz := fairlane_core.now();
  v_old_before timestamptz := fairlane_core.stale_before();
  v_pools text[] := array(
    select p.pool
    from unnest(case when p_pool is null then fairlane_core.pools() else array[p_pool] end) as p (pool)
    where p.pool <> all ((select s.paused_pools from fairlane_core.settings as s)::text[])
  );
  v_is_behind boolean := exists (select from fairlane_core.deferred_work as w where w.task_type is not null);
  v_look constant integer := 1000;
  -- Whether too many stale tasks exist to skip them one by one.
  v_many_stale boolean := exists (
    select
    from public.tasks as t
    where t.readiness = 'ready'
      and t.attempts = 0
      and t.claimed_at is null
      and greatest(t.created_at, t.available_at, t.released_at) < v_old_before
    order by greatest(t.created_at, t.available_at, t.released_at)
    offset 1000
  );
  -- Some of each listed queue, of which there may be a hundred.
  v_look_past integer := v_look / greatest(cardinality(p_turns), 1);
  -- In the order of its index, so that no statistics suggest another plan.
  v_has_due boolean := (
    select true from public.tasks as t where t.readiness = 'not_yet' and t.available_at <= v_now order by t.available_at limit 1
  );
  v_run_types text[] := case
    when p_caller.user_id is null then array['cloud']
    else array(
      select r.run_type
      from fairlane_core.user_slots as s
        cross join unnest(array['cloud', 'local']) as r (run_type)
      where s.user_id = p_caller.user_id
        and fairlane_core.reason_of(s, p_caller, r.run_type = 'cloud') is null
    )
  end;
begin
  return query
  with turn as (
    select
      t.user_id, t.claimable, t.last_served_at, t.task_limit - t.running as slots_free,
      s.orchestration_limit - s.orchestrating as places_free,
      s.running + s.orchestrating + s.remembered as turn_load
    from unnest(p_turns) as t
      join fairlane_core.user_slots as s on s.user_id = t.user_id
  ),
  round as (
    -- A user who is served gets one more attempt, and the turn passes to users with fewer: this many of each come
    -- first.
    select r.user_id, r.turn_load, r.last_served_at, r.slots_free, r.places_free, count(*) as task_count
    from (
      select u.user_id, u.turn_load, u.last_served_at, u.slots_free, u.places_free
      from (
        select
          t.*,
          least(t.claimable, case when count(*) over () < p_limit then p_limit else max(t.turn_load) over () - t.turn_load + 1 end) as most
        from turn as t
      ) as u
        cross join lateral generate_series(1, u.most) as k
      order by u.turn_load + k, k, u.last_served_at
      limit p_limit
    ) as r
    group by r.user_id, r.turn_load, r.last_served_at, r.slots_free, r.places_free
  )
  select t.id, t.task_type, t.user_id, t.created_at, t.since
  from (
    select f.*, row_number() over (partition by f.user_id order by f.priority desc, f.created_at, f.id) as k
    from (
      -- Of each kind as many as there is room for; the queue goes on behind the rest.
      select c.*, row_number() over (partition by c.user_id, c.takes_slot order by c.priority desc, c.created_at, c.id) as of_kind
      from (
        -- One pool, run type and kind at a time: each comes from the index in queue order.
        select r.id, r.task_type, r.created_at, r.since, r.priority, r.takes_slot, u.user_id, u.turn_load, u.last_served_at, u.task_count,
          u.slots_free, u.places_free
        from round as u
          cross join unnest(v_pools) as p (pool)
          -- By key, whatever the planner estimates: the limit enforces it.
          cross join lateral (
            select n.* from fairlane_core.user_queues as n where n.user_id = u.user_id and n.pool = p.pool limit 1
          ) as l
          cross join unnest(v_run_types) as y (run_type)
          cross join unnest(array[true, false]) as kind (takes_slot)
          cross join lateral (
            select q.id, q.task_type, q.created_at, greatest(q.created_at, q.available_at, q.released_at) as since, q.priority, q.takes_slot
            from public.tasks as q
            where not v_many_stale
              and q.user_id = u.user_id
              and q.pool = l.pool
              and q.run_type = y.run_type
              and q.takes_slot = kind.takes_slot
              and q.readiness = 'ready'
              and (not v_is_behind or not fairlane_core.is_behind_its_type(q.task_type, q.pool, q.takes_slot, q.runs_on_own_gpu, q.readiness))
              -- Checked only where the answer could be yes.
              and (q.attempts > 0 or greatest(q.created_at, q.available_at, q.released_at) >= v_old_before or not fairlane_core.is_stale(greatest(q.created_at, q.available_at, q.released_at), q.attempts > 0 or q.claimed_at is not null, q.params))
            order by q.priority desc, q.created_at, q.id
            limit u.task_count
          ) as r
        -- Skipped where there is nothing.
        where case
          when y.run_type = 'cloud' then case when kind.takes_slot then l.ready_cloud else l.ready_cloud_orchestration end
          else case when kind.takes_slot then l.ready_local else l.ready_local_orchestration end
        end > 0
        union all
        -- Tasks of other pools, as machines of their owner claim them; not behind or stale, as above.
        select
          o.id, o.task_type, o.created_at, greatest(o.created_at, o.available_at, o.released_at), o.priority, o.takes_slot, u.user_id,
          u.turn_load, u.last_served_at, u.task_count, u.slots_free, u.places_free
        from round as u
          cross join lateral fairlane_core.own_gpu_queue(p_caller, p_pool, v_look) as o
        where p_caller.user_id is not null
          and o.run_type = any (v_run_types)
          and (not v_is_behind or not fairlane_core.is_behind_its_type(o.task_type, o.pool, o.takes_slot, o.runs_on_own_gpu, o.readiness))
          and (o.attempts > 0 or greatest(o.created_at, o.available_at, o.released_at) >= v_old_before or not fairlane_core.is_stale(greatest(o.created_at, o.available_at, o.released_at), o.attempts > 0 or o.claimed_at is not null, o.params))
        union all
        -- Many have grown stale: those are not scanned.
        select q.id, q.task_type, q.created_at, greatest(q.created_at, q.available_at, q.released_at), q.priority, q.takes_slot, u.user_id,
          u.turn_load, u.last_served_at, u.task_count, u.slots_free, u.places_free
        from round as u
          cross join unnest(v_pools) as l (pool)
          cross join unnest(v_run_types) as y (run_type)
          cross join unnest(array[true, false]) as kind (takes_slot)
          cross join lateral fairlane_core.fresh_in_queue(
            u.user_id, l.pool, y.run_type, kind.takes_slot, u.task_count::integer + v_look_past, u.task_count::integer
          ) as f (id)
          -- One by one: as a join, a plan from when the queue was small would scan all tasks.
          cross join lateral (select k.* from public.tasks as k where k.id = f.id limit 1) as q
        where v_many_stale
          and (not v_is_behind or not fairlane_core.is_behind_its_type(q.task_type, q.pool, q.takes_slot, q.runs_on_own_gpu, q.readiness))
        union all
        -- Due, but not yet released by a claim.
        select
          (d.task).id, (d.task).task_type, (d.task).created_at,
          greatest((d.task).created_at, (d.task).available_at, (d.task).released_at), (d.task).priority, (d.task).takes_slot, u.user_id, u.turn_load,
          u.last_served_at, u.task_count, u.slots_free, u.places_free
        from round as u
          cross join unnest(v_pools) as l (pool)
          cross join unnest(v_run_types) as y (run_type)
          cross join lateral (
            select q as task
            from public.tasks as q
            where q.user_id = u.user_id
              and q.pool = l.pool
              and q.run_type = y.run_type
              and q.readiness = 'not_yet'
              and q.available_at <= v_now
            order by q.priority desc, q.available_at
            limit u.task_count + 100 -- some may have another reason to wait
          ) as d
        where v_has_due
          and fairlane_core.task_readiness(d.task) = 'ready'
        union all
        select
          o.id, o.task_type, o.created_at, greatest(o.created_at, o.available_at, o.released_at), o.priority, o.takes_slot, u.user_id,
          u.turn_load, u.last_served_at, u.task_count, u.slots_free, u.places_free
        from round as u
          cross join lateral fairlane_core.own_gpu_due(p_caller, p_pool, v_look) as o
        where v_has_due
          and p_caller.user_id is not null
          and o.run_type = any (v_run_types)
          and o.pool <> all ((select s.paused_pools from fairlane_core.settings as s)::text[])
          and fairlane_core.task_readiness(o) = 'ready'
      ) as c
    ) as f
    where f.of_kind <= case when f.takes_slot then f.slots_free else f.places_free end
  ) as t
  where t.k <= t.task_count
  order by t.turn_load + t.k, t.k, t.last_served_at;
end;
$$;

create function fairlane_core.oldest_claimable(p_caller fairlane_core.caller, p_pool text, p_listed timestamptz, p_was_cut boolean)
returns timestamptz language plpgsql stable security invoker set search_path = '' as $$
declare
  v_look_at constant integer := 200;
  v_old_before timestamptz;
begin
  if not p_was_cut then
    return p_listed;
  end if;

  v_old_before := fairlane_core.stale_before();
  return least(p_listed, (
    select o.since
    from (
      select t.user_id, t.pool, t.run_type, t.takes_slot, t.runs_on_own_gpu, greatest(t.created_at, t.available_at, t.released_at) as since, t.params
      from public.tasks as t
      where t.readiness = 'ready'
        and t.attempts = 0
        and t.claimed_at is null
        and greatest(t.created_at, t.available_at, t.released_at) < p_listed
      order by greatest(t.created_at, t.available_at, t.released_at)
      limit v_look_at
    ) as o
    where (
        p_pool is null or o.pool = p_pool
        or (o.runs_on_own_gpu and fairlane_core.is_served_by(p_caller, p_pool, o.pool, o.runs_on_own_gpu, o.run_type))
      )
      and o.pool <> all ((select s.paused_pools from fairlane_core.settings as s)::text[])
      and case
        when p_caller.user_id is not null then o.user_id = p_caller.user_id and exists (
          select
          from fairlane_core.user_slots as s
          where s.user_id = o.user_id
            and fairlane_core.reason_of(s, p_caller, o.run_type = 'cloud') is null
        )
        else o.run_type = 'cloud'
          and (select l.is_open and (o.takes_slot or l.orchestration_room > 0) from fairlane_core.user_queues as l where l.user_id = o.user_id and l.pool = o.pool)
      end
      -- Checked only where the answer could be yes.
      and (o.since >= v_old_before or not fairlane_core.is_stale(o.since, false, o.params))
    order by o.since
    limit 1
  ));
end;
$$;

create function fairlane_core.due_readiness_changes(p_user_id uuid)
returns setof fairlane_core.counter_delta language plpgsql stable security invoker set search_path = '' set enable_sort = off as $$
declare
  v_many constant integer := 1000;
  v_most_stale constant integer := 5000;
  v_most_queues constant integer := 1000;
  v_too_many_stale boolean;
  v_per_line integer;
  v_now timestamptz := fairlane_core.now();
  v_stale_before timestamptz := fairlane_core.stale_before();
begin
  if p_user_id is null then
    -- As many as are almost always due can be read in the order of their time.
    perform
    from public.tasks as t
    where t.readiness = 'not_yet'
      and t.available_at <= v_now
    order by t.available_at
    offset v_many
    limit 1;
    if found then
      select greatest(v_many / greatest(count(*), 1), 10)
      into v_per_line
      from fairlane_core.blocked_tasks as b
      where b.reason = 'not_yet'
        and b.task_count > 0;
    end if;
  else
    v_per_line := v_many;
  end if;

  perform
  from public.tasks as t
  where t.readiness = 'ready'
    and t.attempts = 0
    and t.claimed_at is null
    and greatest(t.created_at, t.available_at, t.released_at) < v_stale_before
  order by greatest(t.created_at, t.available_at, t.released_at)
  offset v_most_stale
  limit 1;
  v_too_many_stale := found;

  return query
  with due as (
    (
      -- In index order of the tasks that wait for a time: no statistics may make reading all live tasks look as cheap.
      select t as task
      from public.tasks as t
      where v_per_line is null
        and t.readiness = 'not_yet'
        and t.available_at <= v_now
      order by t.available_at
      limit v_many
    )
    union all
    select d.task
    from fairlane_core.blocked_tasks as b
      cross join lateral (
        select q as task
        from public.tasks as q
        where q.user_id = b.user_id
          and q.pool = b.pool
          and q.run_type = case when b.is_cloud then 'cloud' else 'local' end
          and q.readiness = 'not_yet'
          and q.available_at <= v_now
        order by q.priority desc, q.available_at
        limit v_per_line
      ) as d
    where v_per_line is not null
      and b.reason = 'not_yet'
      and b.task_count > 0
      and (p_user_id is null or b.user_id = p_user_id)
  ),
  overtaken as (
    select
      (d.task).user_id, (d.task).pool, (d.task).run_type, (d.task).takes_slot, (d.task).readiness as stood,
      -- The rule is evaluated where more than the time could hold the task back.
      case
        when (d.task).dependant_on is null and (
          (d.task).attempts > 0 or greatest((d.task).created_at, (d.task).available_at, (d.task).released_at) >= v_stale_before
        ) then 'ready'
        else fairlane_core.task_readiness(d.task)
      end as stands
    from due as d
    union all
    select t.user_id, t.pool, t.run_type, t.takes_slot, t.readiness, 'stale'
    from (
      -- Limited before anything else is checked: no owner may scan everything that others let grow stale.
      select q.user_id, q.pool, q.run_type, q.takes_slot, q.readiness, q.params, greatest(q.created_at, q.available_at, q.released_at) as since
      from public.tasks as q
      where not v_too_many_stale
        and q.readiness = 'ready'
        and q.attempts = 0
        and q.claimed_at is null
        and greatest(q.created_at, q.available_at, q.released_at) < v_stale_before
      order by greatest(q.created_at, q.available_at, q.released_at)
      limit v_most_stale
    ) as t
    where (p_user_id is null or t.user_id = p_user_id)
      -- The rule is evaluated where a parent could keep the task fresh.
      and (fairlane_core.parent_task_id(t.params) is null or fairlane_core.is_stale(t.since, false, t.params))
  ),
  -- The queues that could promise something: closed ones cannot, and of the fleet's only the first in turn are read.
  queue as materialized (
    select
      l.user_id, l.pool, l.ready_cloud, l.ready_cloud_orchestration, l.ready_local, l.ready_local_orchestration,
      row_number() over () <= v_most_queues as is_looked_into,
      greatest(v_most_stale / least(greatest(count(*) over (), 3), v_most_queues), 10)::integer as most
    from (
      select c.*
      from unnest(fairlane_core.pools()) as p (pool)
        cross join lateral (
          select k.* from fairlane_core.user_queues as k where k.pool = p.pool and k.is_open order by k.turn_load, k.last_served_at
        ) as c
      where v_too_many_stale
        and p_user_id is null
      union all
      select o.* from fairlane_core.user_queues as o where v_too_many_stale and o.user_id = p_user_id
    ) as l
  ),
  unknown as materialized (
    select
      l.user_id, l.pool, r.is_cloud, r.takes_slot,
      r.task_count - case when l.is_looked_into then (
        select count(*)
        from fairlane_core.fresh_in_queue(
          l.user_id, l.pool, case when r.is_cloud then 'cloud' else 'local' end, r.takes_slot, l.most, least(l.most, r.task_count)
        )
      ) else 0 end as task_count
    from queue as l
      cross join lateral (
        values
          (true, true, l.ready_cloud), (true, false, l.ready_cloud_orchestration),
          (false, true, l.ready_local), (false, false, l.ready_local_orchestration)
      ) as r (is_cloud, takes_slot, task_count)
    where r.task_count > 0
      and (r.is_cloud or p_user_id is not null)
  )
  select o.user_id, o.pool, o.run_type = 'cloud', o.takes_slot, c.readiness, sum(c.delta)::integer
  from overtaken as o
    cross join lateral (values (o.stood, -1), (o.stands, 1)) as c (readiness, delta)
  group by o.user_id, o.pool, o.run_type, o.takes_slot, c.readiness
  union all
  select u.user_id, u.pool, u.is_cloud, u.takes_slot, c.readiness, (c.sign * u.task_count)::integer
  from unknown as u
    cross join (values ('ready', -1), ('stale', 1)) as c (readiness, sign)
  where u.task_count > 0;
end;
$$;

create function fairlane_core.overtaken_by_types(p_user_id uuid)
returns setof fairlane_core.counter_delta language plpgsql stable security invoker set search_path = '' as $$
declare
  v_most constant integer := 1000;
  v_types text[] := array(select distinct w.task_type from fairlane_core.deferred_work as w where w.task_type is not null);
  v_owners uuid[] := array(
    select distinct l.user_id
    from fairlane_core.user_queues as l
    where l.ready_cloud + l.ready_cloud_orchestration + l.ready_local + l.ready_local_orchestration > 0
      and (p_user_id is null or l.user_id = p_user_id)
  );
  v_per_owner integer := greatest(v_most / greatest(cardinality(v_owners) * cardinality(v_types), 1), 10);
begin
  return query
  with found as materialized (
    select
      o.user_id, y.name as task_type, b.pool, b.run_type, b.takes_slot,
      fairlane_core.is_behind_its_type(y.name, b.pool, b.takes_slot, b.runs_on_own_gpu, b.readiness) as is_behind, count(*)::integer as task_count
    from unnest(v_owners) as o (user_id)
      cross join unnest(v_types) as y (name)
      cross join lateral (
        select t.pool, t.run_type, t.takes_slot, t.runs_on_own_gpu, t.readiness
        from public.tasks as t
        where t.user_id = o.user_id
          and left(t.task_type, 200) = left(y.name, 200)
          and t.task_type = y.name
          and t.readiness is not null
        limit v_per_owner
      ) as b
    where b.readiness = 'ready'
    group by 1, 2, 3, 4, 5, 6
  ),
  -- There may be more.
  unknown as materialized (
    select o.user_id
    from unnest(v_owners) as o (user_id)
      cross join unnest(v_types) as y (name)
    where (
      select count(*)
      from (
        select
        from public.tasks as t
        where t.user_id = o.user_id
          and left(t.task_type, 200) = left(y.name, 200)
          and t.task_type = y.name
          and t.readiness is not null
        limit v_per_owner
      ) as n
    ) = v_per_owner
    group by o.user_id
  ),
  changed as (
    select f.user_id, f.pool, f.run_type = 'cloud' as is_cloud, f.takes_slot, 'ready' as readiness, -f.task_count as delta
    from found as f
    where f.is_behind
      and not exists (select from unknown as u where u.user_id = f.user_id)
    union all
    select
      f.user_id, coalesce(y.run_type, 'gpu'), f.run_type = 'cloud', fairlane_core.takes_slot(f.task_type, y.category),
      case when y.is_active is false then 'type_inactive' else 'ready' end, f.task_count
    from found as f
      left join public.task_types as y on y.name = f.task_type
    where f.is_behind
      and not exists (select from unknown as u where u.user_id = f.user_id)
    union all
    -- Owners that were not read completely: what was read is ready where its type belongs, all else is not.
    select
      f.user_id,
      case c.readiness when 'ready' then coalesce(y.run_type, 'gpu') else f.pool end,
      f.run_type = 'cloud',
      case c.readiness when 'ready' then fairlane_core.takes_slot(f.task_type, y.category) else f.takes_slot end,
      c.readiness, c.sign * f.task_count
    from found as f
      left join public.task_types as y on y.name = f.task_type
      cross join (values ('ready', 1), ('type_inactive', -1)) as c (readiness, sign)
    where f.user_id in (select u.user_id from unknown as u)
      and y.is_active is not false
    union all
    select l.user_id, l.pool, r.is_cloud, r.takes_slot, c.readiness, c.sign * r.task_count
    from fairlane_core.user_queues as l
      cross join lateral (
        values
          (true, true, l.ready_cloud), (true, false, l.ready_cloud_orchestration),
          (false, true, l.ready_local), (false, false, l.ready_local_orchestration)
      ) as r (is_cloud, takes_slot, task_count)
      cross join (values ('ready', -1), ('type_inactive', 1)) as c (readiness, sign)
    where l.user_id in (select u.user_id from unknown as u)
      and r.task_count > 0
  )
  select c.user_id, c.pool, c.is_cloud, c.takes_slot, c.readiness, sum(c.delta)::integer
  from changed as c
  group by 1, 2, 3, 4, 5;
end;
$$;

create function fairlane_core.own_gpu_load(p_caller fairlane_core.caller, p_pool text)
returns setof fairlane_core.counter_delta language plpgsql stable security invoker set search_path = '' set enable_sort = off as $$
declare
  v_most constant integer := 1000;
  v_old_before timestamptz;
  v_is_behind boolean;
  v_paused text[];
begin
  -- Most users have none.
  if p_pool is distinct from 'gpu' or p_caller.user_id is null or (
    select true
    from public.tasks as t
    where t.user_id = p_caller.user_id
      and t.runs_on_own_gpu
      and t.readiness is not null
    order by t.pool, t.readiness
    limit 1
  ) is null then
    return;
  end if;
  v_old_before := fairlane_core.stale_before();
  v_is_behind := exists (select from fairlane_core.deferred_work as w where w.task_type is not null);
  v_paused := (select s.paused_pools from fairlane_core.settings as s);

  return query
  with found as (
    select
      t.run_type,
      case
        when v_is_behind and fairlane_core.is_behind_its_type(t.task_type, t.pool, t.takes_slot, t.runs_on_own_gpu, t.readiness) then
          case when (select not y.is_active from public.task_types as y where y.name = t.task_type) then 'type_inactive' end
        when l.is_paused then 'pool_paused'
        when t.attempts = 0 and greatest(t.created_at, t.available_at, t.released_at) < v_old_before
          and fairlane_core.is_stale(greatest(t.created_at, t.available_at, t.released_at), t.claimed_at is not null, t.params)
          then 'stale'
        else 'ready'
      end as readiness,
      1 as delta
    from unnest(array[false, true]) as l (is_paused)
      cross join lateral fairlane_core.own_gpu_queue(p_caller, p_pool, v_most, l.is_paused) as t
    union all
    select d.run_type, c.readiness, c.delta
    from fairlane_core.own_gpu_due(p_caller, p_pool, v_most) as d
      cross join lateral fairlane_core.task_readiness(d) as s (readiness)
      cross join lateral (
        values
          ('not_yet', -1),
          (case when s.readiness in ('ready', 'stale') and d.pool = any (v_paused) then 'pool_paused' else s.readiness end, 1)
      ) as c (readiness, delta)
    union all
    select r.run_type, 'active', 1
    from unnest(fairlane_core.pools()) as p (pool)
      cross join lateral (
        select t.run_type
        from public.tasks as t
        where t.user_id = p_caller.user_id
          and t.pool = p.pool
          and t.readiness = 'active'
          and t.runs_on_own_gpu
          and (p_caller.kind = 'token' or t.run_type = 'local')
        order by t.run_type
        limit v_most
      ) as r
  )
  select p_caller.user_id, p_pool, f.run_type is distinct from 'local', true, f.readiness, sum(f.delta)::integer
  from found as f
  where f.readiness is not null
  group by 3, 5;
end;
$$;

create function fairlane_core.own_gpu_waiting(p_caller fairlane_core.caller, p_pool text)
returns setof fairlane_core.counter_delta language plpgsql stable security invoker set search_path = '' set enable_sort = off as $$
declare
  v_most constant integer := 1000;
  v_paused text[] := (select s.paused_pools from fairlane_core.settings as s);
begin
  if p_pool is distinct from 'gpu' or p_caller.user_id is null then
    return;
  end if;

  return query
  select p_caller.user_id, p_pool, w.is_cloud, true, w.readiness, sum(w.task_count)::integer
  from unnest(fairlane_core.pools()) as p (pool)
    cross join unnest(array[
      'no_run_type', 'type_inactive', 'not_yet', 'dependency_pending', 'dependency_lost', 'stale'
    ]) as s (readiness)
    cross join lateral (
      select
        r.is_cloud, case when s.readiness = 'stale' and p.pool = any (v_paused) then 'pool_paused' else s.readiness end as readiness,
        count(*) as task_count
      from (
        select t.run_type is distinct from 'local' as is_cloud
        from public.tasks as t
        where t.user_id = p_caller.user_id
          and t.pool = p.pool
          and t.readiness = s.readiness
          and t.runs_on_own_gpu
          and (p_caller.kind = 'token' or t.run_type = 'local')
        order by t.run_type
        limit v_most
      ) as r
      group by 1
    ) as w
  group by 3, 5;
end;
$$;

create function fairlane_core.task_counts(
  p_caller jsonb, p_run_type text, p_include_active boolean, p_unused text[] default null, p_include_lists boolean default true
)
returns json language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_sort = off as $$
declare
  -- The lists are two thirds of what an answer costs.
  v_list_limit constant integer := case when p_include_lists is false then 0 else 100 end;
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_now timestamptz := fairlane_core.now();
  v_load fairlane_core.load_summary;
  v_turns fairlane_core.user_load_row[];
  v_listed integer;
  v_next json;
  v_running json;
  v_recent json;
  v_oldest timestamptz;
  v_per_worker integer;
  v_total integer;
  v_blocked json;
  v_by_capacity integer;
  v_arrivals numeric;
  v_completions numeric;
begin
  perform fairlane_core.refuse_unknown_pool(p_run_type);

  v_load := fairlane_core.load_summary(v_caller, p_run_type);
  v_turns := array(select u from fairlane_core.users_in_turn(v_caller, p_run_type, v_load, v_list_limit) as u);

  select
    coalesce(json_agg(json_build_object('task_id', t.task_id, 'task_type', t.task_type, 'user_id', t.user_id, 'created_at', t.created_at)), '[]'),
    count(*),
    min(t.since)
  into v_next, v_listed, v_oldest
  from fairlane_core.next_tasks(v_caller, p_run_type, v_list_limit, v_turns) as t;
  -- Without a list, the oldest of those that were never started has to do.
  v_oldest := fairlane_core.oldest_claimable(
    v_caller, p_run_type, case when v_list_limit = 0 then v_now else v_oldest end, v_listed < v_load.claimable
  );
  if v_list_limit = 0 then
    v_oldest := nullif(v_oldest, v_now);
  end if;

  with running as materialized (
    select
      r.id as task_id, r.task_type, r.worker_id, r.token_id,
      coalesce(r.generation_started_at, r.claimed_at, r.updated_at, r.created_at) as started_at
    from public.tasks as r
    where r.status = 'In Progress'
      and (
        p_run_type is null or r.pool = p_run_type
        or (r.runs_on_own_gpu and fairlane_core.is_served_by(v_caller, p_run_type, r.pool, r.runs_on_own_gpu, r.run_type))
      )
      and (v_caller.user_id is null or r.user_id = v_caller.user_id)
    order by r.worker_id
    limit v_list_limit
  )
  select
    -- Deployed clients slice these texts: none may be null.
    (select json_strip_nulls(json_agg(a)) from (
      select
        r.task_id, r.task_type, r.started_at,
        case v_caller.kind when 'service' then r.worker_id else fairlane_core.sent_name(r.worker_id) end as worker_id
      from running as r
    ) as a),
    (select json_agg(a) from (select r.task_id, 'In Progress' as status, r.token_id is null as is_cloud from running as r) as a)
  into v_running, v_recent;

  select case when p_run_type = 'gpu' then s.gpu_tasks_per_worker when p_run_type is not null then s.api_tasks_per_worker end
  into v_per_worker
  from fairlane_core.settings as s;

  -- The fleet's rates over the last five samples; those of single users are not kept.
  select round(avg(m.arrivals), 1), round(avg(m.completions), 1)
  into v_arrivals, v_completions
  from (
    select sum(s.arrivals) as arrivals, sum(s.completions) as completions
    from fairlane_core.minute_samples as s
    where v_caller.user_id is null
      and s.sampled_at > v_now - interval '10 minutes'
      and (p_run_type is null or s.pool = p_run_type)
    group by s.sampled_at
    order by s.sampled_at desc
    limit 5
  ) as m;

  -- What waits for the owner's own running tasks; the other sums are what waits for other tasks, and for a decision.
  v_blocked := fairlane_core.blocked_by_reason(v_caller, p_run_type, v_load);
  v_by_capacity := coalesce((v_blocked ->> 'user_at_limit')::integer, 0);

  v_total := v_load.claimable + case when coalesce(p_include_active, true) then v_load.active else 0 end;

  return json_build_object(
    'run_type', p_run_type,
    'totals', json_build_object(
      'queued_only', v_load.claimable,
      'eligible_queued', v_load.claimable,
      'active_only', v_load.active,
      'queued_plus_active', v_total,
      'potentially_claimable', v_load.claimable + v_by_capacity,
      'blocked_by_capacity', v_by_capacity,
      'blocked_by_deps', fairlane_core.blocked_sum(v_blocked, array['dependency_pending', 'dependency_lost']),
      'blocked_by_settings', fairlane_core.blocked_sum(
        v_blocked, array['no_credits', 'cloud_disabled', 'local_disabled', 'type_inactive', 'pool_paused']
      )
    ),
    'count', v_total,
    'available_tasks', v_total,
    'queued_plus_active', v_total,
    'global_task_breakdown', json_build_object(
      'in_progress_total', v_load.active + v_load.active_orchestration + v_load.active_elsewhere,
      'in_progress_cloud', v_load.active + v_load.active_orchestration,
      'in_progress_local', v_load.active_elsewhere,
      'orchestrator_tasks', v_load.active_orchestration
    ),
    'blocked', v_blocked,
    'oldest_claimable_age_seconds', extract(epoch from v_now - v_oldest),
    'users', fairlane_core.listed_users(v_caller, p_run_type, v_load, v_turns, v_list_limit),
    'users_total', v_load.users,
    'recent_tasks', coalesce(v_recent, '[]'),
    'queued_tasks', v_next,
    'active_tasks', coalesce(v_running, '[]'),
    'arrivals_per_minute', v_arrivals,
    'completions_per_minute', v_completions,
    'warnings', case when v_caller.user_id is null then fairlane_core.count_warnings(p_run_type, v_load, v_oldest)::jsonb else '[]' end
      || case
        when cardinality(p_unused) > 0 then jsonb_build_array(jsonb_build_object(
          'code', 'ROUTING_IGNORED',
          'message', pg_catalog.format(
            'The numbers are those of the whole pool, and there are no route_totals: this queue does not route by %s',
            array_to_string(p_unused, ', ')
          )
        ))
        else '[]'
      end,
    -- Machines that could be busy at once.
    'suggested_workers', ceil((v_load.claimable + v_load.active + fairlane_core.busy_beside(v_caller, p_run_type, v_load))::numeric / v_per_worker),
    'snapshot_at', v_now
  );
end;
$$;

create function fairlane_core.users_in_turn(p_caller fairlane_core.caller, p_pool text, p_load fairlane_core.load_summary, p_limit integer)
returns setof fairlane_core.user_load_row language plpgsql stable security invoker set search_path = '' as $$
declare
  v_pools text[] := array(
    select p.pool
    from unnest(case when p_pool is null then fairlane_core.pools() else array[p_pool] end) as p (pool)
    where p.pool <> all ((select s.paused_pools from fairlane_core.settings as s)::text[])
  );
  v_none_apart boolean := coalesce(cardinality(p_load.apart), 0) = 0;
begin
  return query
  select
    u.user_id, u.reason, u.ready, u.claimable, u.active, u.active_orchestration, u.active_elsewhere, u.running, u.task_limit, u.last_served_at
  from (
    -- Open queues come from the index in the order of turns.
    select
      l.user_id, null::text as reason, l.ready_cloud + l.ready_cloud_orchestration as ready,
      least(l.ready_cloud_orchestration, l.orchestration_room) + least(l.ready_cloud, l.task_limit - l.running) as claimable,
      l.active_cloud as active, l.active_cloud_orchestration as active_orchestration,
      l.active_local + l.active_local_orchestration as active_elsewhere, l.running, l.task_limit, l.last_served_at, l.turn_load
    from unnest(v_pools) as p (pool)
      cross join lateral (
        select c.*
        from fairlane_core.user_queues as c
        where p_caller.user_id is null
          and c.pool = p.pool
          and c.is_open
          and (v_none_apart or c.user_id not in (select a.user_id from unnest(p_load.apart) as a))
        order by c.turn_load, c.last_served_at
        limit p_limit
      ) as l
    union all
    select a.*, s.running + s.orchestrating + s.remembered
    from unnest(p_load.apart) as a
      join fairlane_core.user_slots as s on s.user_id = a.user_id
    where a.claimable > 0
  ) as u
  order by u.turn_load, u.last_served_at
  limit p_limit;
end;
$$;

create function fairlane_core.listed_users(p_caller fairlane_core.caller, p_pool text, p_load fairlane_core.load_summary, p_turns fairlane_core.user_load_row[], p_limit integer)
returns json language plpgsql stable security invoker set search_path = '' as $$
declare
  v_paused text[] := (select s.paused_pools from fairlane_core.settings as s);
  v_missing integer := greatest(p_limit - coalesce(cardinality(p_turns), 0), 0);
begin
  return (
    select coalesce(json_agg(u order by u.queued_tasks desc, u.ready_tasks desc, u.user_id), '[]')
    from (
      select
        t.user_id, t.claimable as queued_tasks, t.ready as ready_tasks, t.running as in_progress_tasks, t.task_limit,
        t.running >= t.task_limit as at_limit, t.reason as blocked_by
      from unnest(p_turns) as t
      union all
      (
        select o.user_id, 0, o.ready, o.running, o.task_limit, o.running >= o.task_limit, o.reason
        from (
          select a.user_id, a.ready, a.running, a.task_limit, coalesce(a.reason, case when a.ready > 0 then 'user_at_limit' end) as reason
          from unnest(p_load.apart) as a
          where a.claimable = 0
            and a.ready + a.active > 0
          union all
          -- Closed without a reason of the owner's, but with ready tasks: all of them are orchestration.
          select
            l.user_id, l.ready_cloud + l.ready_cloud_orchestration, s.running, s.task_limit,
            case
              when l.pool = any (v_paused) then 'pool_paused'
              else coalesce(s.cloud_reason, case when l.ready_cloud + l.ready_cloud_orchestration > 0 then 'user_at_limit' end)
            end
          from fairlane_core.user_queues as l
            join fairlane_core.user_slots as s on s.user_id = l.user_id
          where p_caller.user_id is null
            and p_load.users > p_load.owners
            and (p_pool is null or l.pool = p_pool)
            and (not l.is_open or l.pool = any (v_paused))
            and l.ready_cloud + l.ready_cloud_orchestration + l.active_cloud > 0
            and l.user_id not in (select a.user_id from unnest(p_load.apart) as a)
        ) as o
        limit v_missing
      )
    ) as u
  );
end;
$$;

create function fairlane_core.blocked_by_reason(p_caller fairlane_core.caller, p_pool text, p_load fairlane_core.load_summary)
returns json language plpgsql stable security invoker set search_path = '' as $$
declare
  v_own boolean := p_caller.user_id is not null;
  v_paused text[] := (select s.paused_pools from fairlane_core.settings as s);
begin
  return (
    with waiting as (
      select b.user_id, b.pool, b.is_cloud, null::boolean as takes_slot, b.reason, b.task_count
      from fairlane_core.blocked_tasks as b
      where not v_own
        and b.is_cloud
      union all
      select b.user_id, b.pool, b.is_cloud, null, b.reason, b.task_count
      from fairlane_core.blocked_tasks as b
      where b.user_id = p_caller.user_id
      union all
      select o.user_id, o.pool, o.is_cloud, o.takes_slot, o.readiness, o.delta
      from unnest(p_load.overtaken) as o
      where o.readiness not in ('ready', 'active')
        and (v_own or o.is_cloud)
      union all
      select o.user_id, o.pool, o.is_cloud, o.takes_slot, o.readiness, o.delta
      from fairlane_core.own_gpu_waiting(p_caller, p_pool) as o
    ),
    stale as (
      select
        w.pool, w.is_cloud, w.takes_slot, w.task_count, s.user_id,
        case
          when w.pool = any (v_paused) then 'pool_paused'
          else fairlane_core.reason_of(s, p_caller, w.is_cloud)
        end as reason,
        s.orchestrating >= s.orchestration_limit as has_no_place
      from waiting as w
        left join fairlane_core.user_slots as s on s.user_id = w.user_id
      where w.reason = 'stale'
        and (p_pool is null or w.pool = p_pool)
    ),
    stale_by_kind as (
      select
        w.reason, w.task_count,
        case
          when w.reason is not null or w.has_no_place is not true or w.takes_slot then 0
          when not w.takes_slot then w.task_count
          else (
            select count(*)
            from public.tasks as t
            where t.user_id = w.user_id
              and t.pool = w.pool
              and t.run_type = case when w.is_cloud then 'cloud' else 'local' end
              and t.readiness = 'stale'
              and not t.takes_slot
          )
        end as without_place
      from stale as w
    )
    select coalesce(json_object_agg(r.reason, r.task_count order by r.reason), '{}')
    from (
      select b.reason, sum(b.task_count) as task_count
      from (
        select w.reason, sum(w.task_count) as task_count
        from waiting as w
        where w.reason <> 'stale'
          and (p_pool is null or w.pool = p_pool)
        group by w.reason
        union all
        select coalesce(k.reason, c.reason), c.task_count
        from stale_by_kind as k
          cross join lateral (
            values ('user_at_limit', k.without_place), ('stale', k.task_count - k.without_place)
          ) as c (reason, task_count)
        union all
        select o.reason, o.task_count
        from (
          values
            ('pool_paused', p_load.pool_paused),
            ('user_at_limit', p_load.user_at_limit),
            ('no_credits', p_load.no_credits),
            ('cloud_disabled', p_load.cloud_disabled),
            ('local_disabled', p_load.local_disabled)
        ) as o (reason, task_count)
      ) as b
      group by b.reason
      having sum(b.task_count) > 0
    ) as r
  );
end;
$$;

create function fairlane_core.blocked_sum(p_blocked json, p_reasons text[])
returns integer language plpgsql immutable security invoker set search_path = '' as $$
begin
  return (
    select coalesce(sum((p_blocked ->> r.reason)::integer), 0)
    from unnest(p_reasons) as r (reason)
  );
end;
$$;

create function fairlane_core.get_task_status(p_caller jsonb, p_task_id uuid)
returns json language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_task public.tasks := fairlane_core.readable_task(fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']), p_task_id);
begin
  return json_build_object(
    'task_id', v_task.id,
    'task_type', v_task.task_type,
    'status', v_task.status,
    'attempt', v_task.attempts,
    'error_message', v_task.error_message,
    'created_at', v_task.created_at,
    'updated_at', v_task.updated_at,
    'generation_started_at', v_task.generation_started_at,
    'generation_processed_at', v_task.generation_processed_at
  );
end;
$$;

create function fairlane_core.get_task_output(p_caller jsonb, p_task_id uuid)
returns json language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task public.tasks := fairlane_core.readable_task(v_caller, p_task_id);
begin
  -- The service key speaks for any worker, and the one that holds the task has its params.
  if v_caller.user_id is null then
    v_task.params := fairlane_core.without_secrets(v_task.params);
  end if;
  return json_build_object(
    'task_id', v_task.id,
    'status', v_task.status,
    'output_location', v_task.output_location,
    'public_url', case when v_task.status = 'Complete' then coalesce(v_task.file_location, v_task.output_location) end,
    'thumbnail_url', v_task.thumbnail_url,
    'error_message', v_task.error_message,
    -- Rows older than the bounds may contain what cannot be written out.
    'result_data', case when fairlane_core.written_length(v_task.result_data, 8388608) is not null then v_task.result_data end,
    'params', case when fairlane_core.fits_a_reply(v_task.has_bounded_params, v_task.params) then v_task.params else '{}' end,
    'dependant_on', v_task.dependant_on
  );
end;
$$;

create function fairlane_core.get_predecessor_output(
  p_caller jsonb, p_task_id uuid, p_parent_generation_id uuid, p_child_order integer
)
returns json language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_task public.tasks := fairlane_core.readable_task(fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']), p_task_id);
  v_first json;
  v_all json;
  v_are_complete boolean;
  v_sibling public.generations;
begin
  if v_task.dependant_on is null then
    if p_parent_generation_id is null and p_child_order is null then
      return null;
    end if;
    if p_child_order > 0 then
      select g.*
      into v_sibling
      from public.generations as g
      where g.parent_generation_id = p_parent_generation_id
        and g.child_order = p_child_order - 1
        and g.user_id = v_task.user_id
        and g.location is not null
      order by g.created_at desc, g.id desc
      limit 1;
    end if;
    v_first := case
      when v_sibling.id is not null then
        json_build_object('predecessor_id', v_sibling.id, 'output_location', v_sibling.location, 'status', 'Complete')
    end;
    return json_build_object(
      'predecessor_id', v_sibling.id,
      'output_location', v_sibling.location,
      'status', v_first -> 'status',
      'predecessors', case when v_first is null then '[]' else json_build_array(v_first) end,
      'all_complete', v_first is not null,
      'lookup_method', case when v_first is not null then 'generation_sibling' end
    );
  end if;

  with predecessor as (
    select
      d.id,
      t.status,
      -- Until a task is Complete, this field contains texts that are no output.
      case when t.status = 'Complete' then t.output_location end as output_location
    from (
      select v_task.dependant_on
      union
      select k.depends_on from fairlane_core.task_dependencies as k where k.task_id = v_task.id
    ) as d (id)
      -- Somebody else's task counts as missing, and nothing is revealed about it.
      left join public.tasks as t on t.id = d.id and t.user_id is not distinct from v_task.user_id
  ),
  -- The first dependency first.
  told as (
    select
      p.id,
      p.status,
      json_build_object('predecessor_id', p.id, 'output_location', p.output_location, 'status', p.status) as reply
    from predecessor as p
    order by p.id <> v_task.dependant_on, p.id
  )
  select json_agg(t.reply), (json_agg(t.reply)) -> 0, bool_and(coalesce(t.status = 'Complete', false))
  into v_all, v_first, v_are_complete
  from told as t;

  return json_build_object(
    'predecessor_id', v_first -> 'predecessor_id',
    -- A client that reads only this takes it for all that the task builds on.
    'output_location', case when v_are_complete then v_first -> 'output_location' end,
    'status', v_first -> 'status',
    'predecessors', v_all,
    'all_complete', v_are_complete,
    'lookup_method', 'dependency'
  );
end;
$$;

create function fairlane_core.readable_task(p_caller fairlane_core.caller, p_task_id uuid)
returns public.tasks language plpgsql stable security invoker set search_path = '' as $$
declare
  v_task public.tasks;
begin
  select t.*
  into v_task
  from public.tasks as t
  where t.id = p_task_id
    and (p_caller.kind = 'service' or t.user_id = p_caller.user_id);

  if v_task.id is null then
    perform fairlane_core.refuse(404, 'TASK_NOT_FOUND', pg_catalog.format('There is no task %s', p_task_id));
  end if;
  return v_task;
end;
$$;

create function fairlane_core.upgrade_report()
returns table (task_id uuid, task_type text, status text, created_at timestamptz, problem text, what_to_do text) language plpgsql stable security invoker set search_path = '' as $$
#variable_conflict use_column
begin
  return query
  select
    t.id, t.task_type, t.status, t.created_at, p.problem,
    case p.problem
      when 'unknown_status' then
        'Nobody runs it. Delete it, or with the triggers of tasks disabled set a status of the five'
      when 'no_owner' then case
        when t.status = 'Queued' then
          'It never runs. Cancel it (the cleanup does, after stale_after), or set project_id and user_id to those of one project'
        else 'Its owner cannot see it. Set project_id and user_id to those of one project, or leave it'
      end
      when 'no_run_type' then
        'It never runs. Cancel it (the cleanup does, after stale_after), or set run_type to cloud, and created_at to fairlane_core.now() if it is older than stale_after'
      when 'no_reason' then 'Nothing: why it failed was never stored'
      when 'no_age' then 'Nothing: when it was made was never stored; created_at is the time of the upgrade'
      when 'no_generation' then case
        when t.generation_created then pg_catalog.format(
          'Nothing, if the app deleted its record; else select public.repair_generations(p_task_ids => array[%L]::uuid[])', t.id
        )
        else 'select public.repair_generations(1000, true), then with false, records its result'
      end
    end
  from public.tasks as t
    cross join lateral (
      select case
        when t.status not in ('Queued', 'In Progress', 'Complete', 'Failed', 'Cancelled') then 'unknown_status'
        when t.user_id is null then 'no_owner'
        when t.run_type is null and t.status = 'Queued' then 'no_run_type'
        when t.status = 'Failed' and t.error_message is null then 'no_reason'
        when t.status = 'Complete'
          and t.run_type is null
          and fairlane_core.creates_generation(t.task_type, t.params)
          and not exists (select from public.generations as g where g.task_id = t.id)
          then 'no_generation'
        -- Live tasks are listed under no_run_type, with the same effect: somebody has to check them.
        when t.run_type is null and t.created_at > t.generation_processed_at then 'no_age'
      end as problem
    ) as p
  where p.problem is not null
  order by t.created_at, t.id;
end;
$$;

create function fairlane_core.version()
returns text language sql immutable security invoker set search_path = '' as $$
  select '0.1.0';
$$;

create function fairlane_core.worker_health(p_caller jsonb, p_window_minutes numeric)
returns json language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service']);
  v_now timestamptz := fairlane_core.now();
  v_minutes numeric := coalesce(p_window_minutes, 30);
  v_window interval;
  v_failures json;
  v_workers json;
  v_by_health json;
  v_per_worker integer := (select s.gpu_tasks_per_worker from fairlane_core.settings as s);
  v_free integer;
  v_room bigint;
  v_claimable integer := fairlane_core.claimable_count(v_caller, 'gpu');
  v_code text;
begin
  if v_minutes not between 1 and 1440 then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The window must be 1 to 1440 minutes, not %s', v_minutes));
  end if;
  v_window := make_interval(secs => (v_minutes * 60)::double precision);
  v_failures := fairlane_core.worker_failures(v_now - v_window);

  with state as materialized (
    select * from fairlane_core.worker_states(v_window)
  )
  select
    (
      select coalesce(
        json_agg(
          json_build_object(
            'worker_id', s.worker_id, 'instance_type', s.instance_type, 'status', s.status, 'health', s.health,
            'reason', s.reason, 'last_heartbeat', s.last_heartbeat, 'last_log_at', s.last_log_at,
            'has_claimed', s.has_claimed, 'last_refusal_at', s.last_refusal_at, 'tasks_held', s.tasks_held,
            'current_task_id', s.current_task_id, 'task_started_at', s.task_started_at, 'task_quiet_since', s.task_quiet_since
          )
          order by s.health = 'healthy', s.worker_id
        ), '[]'
      )
      from (select x.* from state as x order by x.health = 'healthy', x.worker_id limit 1000) as s
    ),
    (select coalesce(json_object_agg(g.health, g.workers), '{}') from (select s.health, count(*) as workers from state as s group by 1) as g),
    u.free,
    u.room
  into v_workers, v_by_health, v_free, v_room
  from (
    -- Who may claim, and how many tasks more. An orchestrator that only waits for its children keeps no worker busy; a
    -- task that others ended does until the worker lets go of it.
    select
      count(*) filter (where h.busy < coalesce(v_per_worker, h.busy + 1)) as free,
      sum(case when v_per_worker is null then v_claimable else greatest(v_per_worker - h.busy, 0) end) as room
    from state as s
      cross join lateral (
        select (
          select count(*)
          from public.tasks as t
          where s.tasks_held > 0
            and t.worker_id = s.worker_id
            and t.status = 'In Progress'
            and t.token_id is null
            and not fairlane_core.is_waiting_for_children(t)
        ) + (
          select count(*)
          from fairlane_core.held_slots as e
          where e.worker_id = s.worker_id
            and e.token_id is null
            and e.let_go_at is null
        ) as busy
      ) as h
    where s.health in ('healthy', 'silent', 'never_claimed', 'starting')
      and s.instance_type <> 'api'
  ) as u;

  v_code := case
    when v_claimable = 0 then 'NOTHING_CLAIMABLE'
    when (v_failures ->> 'workers_failed')::integer >= 3
      and (v_failures ->> 'failure_rate')::numeric >= (select s.max_failure_rate from fairlane_core.settings as s) then 'WORKERS_FAIL'
    when v_room >= v_claimable then 'ENOUGH_WORKERS'
    else 'MORE_WORK_THAN_WORKERS'
  end;

  return json_build_object(
    'window_minutes', v_minutes,
    'by_health', v_by_health,
    'workers', v_workers,
    'failures', v_failures,
    'spawning', json_build_object(
      'makes_sense', v_code = 'MORE_WORK_THAN_WORKERS',
      'code', v_code,
      'message', case v_code
        when 'NOTHING_CLAIMABLE' then 'No gpu task could be claimed; task-counts says under blocked what waits for what'
        when 'WORKERS_FAIL' then pg_catalog.format(
          '%s of %s workers failed within the window, most often: %s. Find out why before renting more',
          v_failures ->> 'workers_failed', v_failures ->> 'workers_seen', v_failures #>> '{reasons,0,reason}'
        )
        when 'ENOUGH_WORKERS' then pg_catalog.format('%s workers are free or starting, with room for the %s claimable tasks', v_free, v_claimable)
        else pg_catalog.format('%s gpu tasks are claimable and %s workers are free or starting', v_claimable, v_free)
      end,
      'claimable', v_claimable,
      'free_workers', v_free
    ),
    'snapshot_at', v_now
  );
end;
$$;

create function fairlane_core.last_news(p_task public.tasks, p_limit interval, p_now timestamptz)
returns timestamptz language plpgsql stable security invoker set search_path = '' as $$
declare
  v_lines constant integer := 1000;
  v_word timestamptz := greatest(p_task.claimed_at, p_task.generation_started_at, p_task.delivered_at, p_task.reported_at);
  v_id constant text := p_task.id::text;
  v_text text;
  v_other timestamptz;
  v_first timestamptz;
begin
  if coalesce(p_task.claimed_at >= p_now - p_limit, true) or v_word < p_now - p_limit then
    return v_word;
  end if;

  select g.message
  into v_text
  from public.system_logs as g
  where g.task_id = v_id
    and g."timestamp" >= p_now - p_limit
  order by g.task_id desc, g."timestamp" desc
  limit 1;
  if v_text is null then
    return v_word;
  end if;

  select l.at
  into v_other
  from (
    select g."timestamp" as at, g.message
    from public.system_logs as g
    where g.task_id = v_id
      and g."timestamp" >= p_task.claimed_at
    order by g.task_id desc, g."timestamp" desc
    limit v_lines
  ) as l
  where l.message <> v_text
  limit 1;
  if v_other >= p_now - p_limit then
    return v_word;
  end if;

  -- It was new when it was first logged.
  select min(l.at)
  into v_first
  from (
    select g."timestamp" as at
    from public.system_logs as g
    where g.task_id = v_id
      and g."timestamp" >= p_task.claimed_at
    order by g.task_id desc, g."timestamp" desc
    limit v_lines
  ) as l
  where l.at > coalesce(v_other, '-infinity');
  return case when v_first < p_now - p_limit then v_first else v_word end;
end;
$$;

create function fairlane_core.is_overlong(p_task public.tasks, p_settings fairlane_core.settings, p_now timestamptz)
returns boolean language plpgsql stable security invoker set search_path = '' as $$
begin
  if coalesce(p_task.claimed_at >= p_now - p_settings.stuck_after, true) then
    return false;
  end if;
  return p_task.claimed_at < p_now - coalesce(
    (
      select d.usual * p_settings.overlong_factor::double precision
      from fairlane_core.type_durations as d
      where d.task_type = p_task.task_type
        and cardinality(d.durations) >= 5 -- fewer do not show what is usual
    ),
    p_settings.overlong_after
  );
end;
$$;

create function fairlane_core.worker_states(p_window interval)
returns table (
  worker_id text,
  instance_type text,
  status text,
  health text,
  reason text,
  created_at timestamptz,
  last_heartbeat timestamptz,
  heartbeat_age_seconds numeric,
  last_log_at timestamptz,
  last_refusal_at timestamptz,
  failed_at timestamptz,
  has_claimed boolean,
  tasks_held integer,
  current_task_id uuid,
  current_task_type text,
  task_started_at timestamptz,
  task_runtime_seconds numeric,
  task_quiet_since timestamptz,
  current_model text,
  metadata jsonb
) language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_settings fairlane_core.settings := (select s from fairlane_core.settings as s);
  v_silent_since timestamptz := v_now - v_settings.gpu_heartbeat_timeout;
  v_has_work boolean := exists (select from fairlane_core.user_queues as l where l.pool = 'gpu' and l.is_open);
  v_has_api_work boolean := exists (select from fairlane_core.user_queues as l where l.pool = 'api' and l.is_open);
begin
  return query
  with seen as (
    select
      w.*,
      (
        -- Only the window: what came before says nothing about now. Compared as pairs, because only the index by worker
        -- has them: the index by time would be scanned for every silent worker.
        select g."timestamp"
        from public.system_logs as g
        where (g.worker_id, g."timestamp") >= (w.id, v_now - p_window)
          and (g.worker_id, g."timestamp") <= (w.id, timestamptz 'infinity')
          and g.source_type = 'worker'
        order by g.worker_id desc, g."timestamp" desc
        limit 1
      ) as last_log_at,
      (
        select r.last_at from fairlane_core.claim_refusals as r where r.worker_id = w.id and r.last_at > v_now - interval '5 minutes'
      ) as last_refusal_at,
      h.tasks_held, h.current_task_id, h.current_task_type, h.task_started_at, h.task_quiet_since, h.has_overlong,
      h.tasks_held > 0 or exists (
        select
        from public.tasks as t
        where t.worker_id = w.id
          and t.status in ('Complete', 'Failed', 'Cancelled')
      ) or exists (
        -- What it released, or what was taken from it, is only in the history.
        select
        from public.task_events as e
        where e.worker_id = w.id
          and e.from_status = 'In Progress'
          and e.to_status in ('Queued', 'Failed')
      ) as has_claimed
    from public.workers as w
      cross join lateral (
        select
          count(*)::integer as tasks_held,
          (array_agg(t.id order by t.claimed_at desc))[1] as current_task_id,
          (array_agg(t.task_type order by t.claimed_at desc))[1] as current_task_type,
          min(t.claimed_at) as task_started_at,
          -- Orchestration waits for its children and may be quiet.
          min(fairlane_core.last_news(t, v_settings.stuck_after, v_now)) filter (where t.takes_slot) as task_quiet_since,
          bool_or(fairlane_core.is_overlong(t, v_settings, v_now)) filter (where t.takes_slot) as has_overlong
        from public.tasks as t
        where t.worker_id = w.id
          and t.status = 'In Progress'
          and t.token_id is null
      ) as h
  )
  select
    s.id, s.instance_type, s.status,
    case
      when s.last_refusal_at is not null and s.status in ('terminating', 'terminated', 'error') then 'claims_refused'
      when s.status in ('terminating', 'terminated') then s.status
      when s.status in ('error', 'crashed') then 'failed'
      -- Api workers register and never send heartbeats.
      when s.instance_type = 'api' then case when v_has_api_work and not s.has_claimed then 'never_claimed' else 'healthy' end
      when s.last_heartbeat is null
        and s.created_at > v_now - v_settings.worker_start_limit
        and coalesce(s.task_started_at > v_silent_since, true) then 'starting'
      when s.last_heartbeat is null then 'never_beat'
      when not fairlane_core.is_beating(s.last_heartbeat) then 'stale'
      when s.task_quiet_since < v_now - v_settings.stuck_after then 'stuck_task'
      when s.has_overlong then 'overlong_task'
      when s.created_at > v_silent_since then 'healthy'
      when s.last_log_at is null then 'silent'
      when v_has_work and not s.has_claimed then 'never_claimed'
      else 'healthy'
    end,
    coalesce(
      s.metadata ->> 'error_reason',
      case
        when (s.metadata #>> '{not_believed,at}')::timestamptz >= v_now - p_window then pg_catalog.format(
          'Said to be %s at %s, which was not believed: %s', s.metadata #>> '{not_believed,status}',
          s.metadata #>> '{not_believed,at}', coalesce(s.metadata #>> '{not_believed,reason}', 'no reason given')
        )
      end
    ),
    s.created_at, s.last_heartbeat, round(extract(epoch from v_now - s.last_heartbeat), 1), s.last_log_at, s.last_refusal_at, s.failed_at, s.has_claimed, s.tasks_held,
    s.current_task_id, s.current_task_type, s.task_started_at,
    round(extract(epoch from v_now - s.task_started_at), 1), s.task_quiet_since, s.current_model, s.metadata
  from seen as s
  where not fairlane_core.has_ended(s.status)
    or s.failed_at >= v_now - p_window
    or s.last_refusal_at is not null
  order by s.id;
end;
$$;

create function fairlane_core.worker_failures(p_since timestamptz)
returns json language plpgsql stable security invoker set search_path = '' as $$
declare
  v_seen integer;
  v_failed integer;
  v_first_event bigint;
begin
  select count(*), count(*) filter (where w.failed_at >= p_since)
  into v_seen, v_failed
  from public.workers as w
  where greatest(w.created_at, w.last_heartbeat, w.failed_at) >= p_since
    -- They are not rented, and never send heartbeats.
    and w.instance_type <> 'api';

  -- The history has no index by time; the samples record which event id came when.
  select greatest(
    coalesce((select max(m.last_event_id) from fairlane_core.minute_samples as m where m.sampled_at <= p_since), 0),
    (select max(e.id) from public.task_events as e) - 100000
  )
  into v_first_event;

  return (
    with failed as (
      select
        w.id, w.status, w.failed_at, coalesce(w.metadata ->> 'error_reason', 'no reason recorded') as reason
      from public.workers as w
      where w.failed_at >= p_since
        and w.instance_type <> 'api'
    ), taken_down as (
      -- What was requeued or failed, and what is still to be requeued.
      select distinct on (d.worker_id, d.task_id) d.worker_id, d.task_id, d.outcome
      from (
        select e.worker_id, e.task_id, case e.to_status when 'Queued' then 'requeue_lost' else 'failed' end as outcome, e.id as at
        from public.task_events as e
        where e.id > v_first_event
          and e.at >= p_since
          and e.from_status = 'In Progress'
          and e.to_status in ('Queued', 'Failed')
        union all
        select t.worker_id, t.id, 'still_held', null
        from failed as f
          join public.tasks as t on t.worker_id = f.id
        where t.status = 'In Progress'
          and t.token_id is null
      ) as d
        join failed as f on f.id = d.worker_id
      order by d.worker_id, d.task_id, d.at desc nulls first
    )
    select json_build_object(
      'workers_seen', v_seen,
      'workers_failed', v_failed,
      'failure_rate', round(v_failed / nullif(v_seen, 0)::numeric, 3),
      'reasons', (
        select coalesce(json_agg(json_build_object('reason', r.reason, 'workers', r.workers) order by r.workers desc, r.reason), '[]')
        from (
          -- With ages and ids every reason would be unique.
          select regexp_replace(left(replace(f.reason, f.id, 'N'), 200), '\d+(\.\d+)?', 'N', 'g') as reason, count(*) as workers
          from failed as f
          group by 1
          order by 2 desc, 1
          limit 20
        ) as r
      ),
      'failed_workers', (
        select coalesce(
          json_agg(
            json_build_object(
              'worker_id', f.id, 'status', f.status, 'failed_at', f.failed_at, 'reason', f.reason,
              'tasks', (
                select coalesce(
                  json_agg(json_build_object('task_id', d.task_id, 'task_type', t.task_type, 'outcome', d.outcome) order by d.task_id), '[]'
                )
                from taken_down as d
                  left join public.tasks as t on t.id = d.task_id
                where d.worker_id = f.id
              )
            )
            order by f.failed_at desc, f.id
          ), '[]'
        )
        from (select x.* from failed as x order by x.failed_at desc, x.id limit 100) as f
      )
    )
  );
end;
$$;

create function fairlane_core.explain_worker(p_caller jsonb, p_worker_id text, p_run_type text)
returns json language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token']);
  v_pool text := coalesce(p_run_type, 'gpu');
  v_worker public.workers;
  v_limit integer;
  v_held json;
  v_held_count integer;
  v_load fairlane_core.load_summary;
  v_reason text;
begin
  perform fairlane_core.refuse_unknown_pool(v_pool);

  if v_caller.kind = 'service' then
    select w.* into v_worker from public.workers as w where w.id = p_worker_id;
  end if;

  select case v_pool when 'gpu' then s.gpu_tasks_per_worker else s.api_tasks_per_worker end
  into v_limit
  from fairlane_core.settings as s
  where fairlane_core.sent_name(p_worker_id) <> all (s.shared_worker_ids);

  select
    count(*),
    coalesce(json_agg(json_build_object('task_id', t.id, 'task_type', t.task_type, 'claimed_at', t.claimed_at)), '[]')
  into v_held_count, v_held
  from public.tasks as t
  where t.worker_id = case v_caller.kind when 'token' then fairlane_core.holder_name(v_caller, p_worker_id) else p_worker_id end
    and t.status = 'In Progress'
    and fairlane_core.is_served_by(v_caller, v_pool, t.pool, t.runs_on_own_gpu, t.run_type)
    and t.takes_slot;

  v_load := fairlane_core.load_summary(v_caller, v_pool);

  v_reason := case
    when v_worker.status in ('terminating', 'terminated', 'error') and v_worker.goodbye_at is null then 'worker_' || v_worker.status
    when v_held_count >= v_limit then 'holds_all_it_may'
    when v_load.claimable = 0 then 'nothing_claimable'
  end;

  return json_build_object(
    'worker_id', p_worker_id,
    'known', v_worker.id is not null,
    'status', v_worker.status,
    'last_heartbeat', v_worker.last_heartbeat,
    'current_model', v_worker.current_model,
    'pool', v_pool,
    'gets_work', v_reason is null,
    'reason', v_reason,
    'remedy', case v_reason
      when 'holds_all_it_may' then 'It gets back what it holds until it completes or fails it'
      when 'nothing_claimable' then 'Nothing waits that this worker may run; blocked says what waits for what'
      else case when v_reason is null then 'Nothing: its next claim gets a task' else 'Claim under a new worker id' end
    end,
    'claimable', v_load.claimable,
    'holds', v_held,
    'blocked', fairlane_core.blocked_by_reason(v_caller, v_pool, v_load)
  );
end;
$$;

create or replace function fairlane_core.restore_surroundings()
returns void language plpgsql volatile security invoker set search_path = '' as $$
begin
  perform fairlane_core.make_bucket();
  if to_regclass('cron.job') is null then
    create extension pg_cron;
  end if;
  perform fairlane_core.schedule_jobs();
end;
$$;

create function fairlane_core.allow_anon_reads(p_is_allowed boolean)
returns void language plpgsql volatile security invoker set search_path = '' set lock_timeout = '5s' as $$
begin
  drop policy if exists anyone_reads_fresh_tasks on public.tasks;
  drop policy if exists anyone_deletes_spare_parts on public.tasks;
  revoke all on table public.tasks from anon;
  revoke all on function fairlane_core.is_spare_part(uuid) from anon;

  if p_is_allowed then
    grant select (
      id, task_type, params, status, project_id, dependant_on, worker_id, output_location, created_at
    ) on table public.tasks to anon;
    -- Row security evaluates no `@>` before it, so these conditions must find the rows of B and G: each is the
    -- condition of an index, or its column. A bare status has no index for Queued, nor has updated_at, which each
    -- heartbeat changes.
    -- Not fairlane_core.now(): anon can execute nothing there. The conditions use columns that are not readable.
    create policy anyone_reads_fresh_tasks on public.tasks
      for select to anon
      using ((
        status = 'In Progress'
        or readiness = 'ready'
        or readiness = 'not_yet'
        or readiness in ('no_owner', 'no_run_type', 'type_inactive', 'dependency_pending', 'dependency_lost', 'stale')
        or created_at > now() - interval '3 days' and updated_at > now() - interval '1 day'
      ) and not jsonb_path_exists(params, '$.**.user_jwt'));
  end if;
end;
$$;

create function fairlane_core.allow_anon_deletes(p_is_allowed boolean)
returns void language plpgsql volatile security invoker set search_path = '' set lock_timeout = '5s' as $$
begin
  -- The reads keep their state; this way nothing of an earlier step remains.
  perform fairlane_core.allow_anon_reads(
    p_is_allowed or exists (
      select
      from pg_catalog.pg_policy as p
      where p.polrelid = 'public.tasks'::regclass and p.polname = 'anyone_reads_fresh_tasks'
    )
  );

  if p_is_allowed then
    grant select, delete on table public.tasks to anon;
    grant execute on function fairlane_core.is_spare_part(uuid) to anon;
    create policy anyone_deletes_spare_parts on public.tasks
      for delete to anon
      using (status = 'Queued' and attempts = 0 and fairlane_core.is_spare_part(id));
  end if;
end;
$$;

create function fairlane_core.is_spare_part(p_task_id uuid)
returns boolean language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
begin
  return exists (select from fairlane_core.subtasks as s where s.replaced_by = p_task_id)
    and not exists (
      select
      from fairlane_core.subtasks as s
        join public.tasks as t on t.id = s.task_id
      where s.replaced_by = p_task_id and t.status = 'Failed'
    );
end;
$$;

create function public.func_worker_heartbeat_with_logs(json)
returns json language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.worker_heartbeat($1);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.func_worker_heartbeat_with_logs(json) is
  'A worker''s heartbeat, with its log lines. The whole body: {worker_id_param, vram_total_mb_param, vram_used_mb_param, logs_param, status_param, current_task_id_param}. With status_param terminated the worker says goodbye: its work is free at once, that attempt does not count, and its next heartbeat or claim makes it active again. Out: {success, heartbeat_updated, logs_inserted, log_errors, stop: [{task_id, reason}]}. Errors: 400 INVALID_ARGUMENT without a worker id. service_role only.';

create function public.func_update_worker_heartbeat(json)
returns void language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  perform fairlane_core.worker_heartbeat($1);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
end;
$$;

comment on function public.func_update_worker_heartbeat(json) is
  'A worker''s heartbeat without logs. The whole body: {worker_id_param, vram_total_mb_param, vram_used_mb_param}. Returns nothing. Errors: 400 INVALID_ARGUMENT without a worker id. service_role only.';

create function public.func_insert_logs_batch(json)
returns json language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.insert_logs_batch($1);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.func_insert_logs_batch(json) is
  'Stores log lines. The whole body: {logs: [{timestamp, source_type, source_id, log_level, message, task_id, worker_id, cycle_number, metadata}]}. Out: {success, inserted, errors}. service_role only.';

create function public.func_get_task_counts(mode text default null, run_type_filter text default null)
returns json language plpgsql stable security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  if run_type_filter in ('cloud', 'local') then
    return fairlane_core.counts_of_place(run_type_filter, mode is distinct from 'queued');
  end if;
  return fairlane_core.task_counts('{"kind": "service"}', run_type_filter, mode is distinct from 'queued');
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.func_get_task_counts(text, text) is
  'The same as task_counts for a service key, under the name and arguments of the fleet''s scripts. mode: queued leaves out what runs, any other means all. run_type_filter: a pool; or a place, cloud (machines of the fleet) or local (their owners'' own); null for all. Out: see task_counts; of a place its totals of what is claimable and active, its users and recent tasks. service_role only.';

create function public.get_completed_segments(
  p_caller jsonb, p_run_id text, p_project_id uuid default null, p_after_index integer default null
)
returns json language plpgsql stable security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.get_completed_segments(p_caller, p_run_id, p_project_id, p_after_index);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.get_completed_segments(jsonb, text, uuid, integer) is
  '[{segment_index, output_location}] of the Complete travel_segments whose params.orchestrator_run_id is p_run_id as text, in order, one per index, the newest; at most 10000, those above p_after_index. Tokens and users: their own. Errors: 403. service_role only.';

create function public.update_shot_pair_prompts(p_caller jsonb)
returns json language plpgsql stable security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.update_shot_pair_prompts(p_caller);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.update_shot_pair_prompts(jsonb) is
  'Always 501 NOT_SUPPORTED, or 403 for unknown callers: the queue has no shots. service_role only.';

create function fairlane_core.counts_of_place(p_place text, p_include_active boolean)
returns json language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_counts jsonb := fairlane_core.task_counts('{"kind": "service"}', null, p_include_active);
  v_claimable integer;
  v_active integer;
  v_orchestrators integer;
  v_users jsonb;
  v_total integer;
begin
  if p_place = 'cloud' then
    v_users := v_counts -> 'users';
    v_claimable := (v_counts #>> '{totals,queued_only}')::integer;
    v_active := (v_counts #>> '{totals,active_only}')::integer;
    v_orchestrators := (v_counts #>> '{global_task_breakdown,orchestrator_tasks}')::integer;
  else
    with owner as (
      select
        l.user_id, s.running, s.task_limit,
        sum(l.active_local)::integer as active,
        sum(l.active_local_orchestration)::integer as orchestrating,
        case
          when coalesce(s.local_reason, 'user_at_limit') <> 'user_at_limit' then 0
          else greatest(least(sum(l.ready_local), s.task_limit - s.running), 0)
            + case
              when s.local_reason is null
                then least(sum(l.ready_local_orchestration), greatest(s.orchestration_limit - s.orchestrating, 0))
              else 0
            end
        end::integer as claimable
      from fairlane_core.user_queues as l
        join fairlane_core.user_slots as s on s.user_id = l.user_id
      where l.ready_local + l.ready_local_orchestration + l.active_local + l.active_local_orchestration > 0
      group by l.user_id, s.running, s.task_limit, s.local_reason, s.orchestrating, s.orchestration_limit
    )
    select
      coalesce(sum(o.claimable), 0), coalesce(sum(o.active), 0), coalesce(sum(o.orchestrating), 0),
      coalesce(
        jsonb_agg(
          jsonb_build_object(
            'user_id', o.user_id, 'queued_tasks', o.claimable, 'in_progress_tasks', o.active,
            'at_limit', o.running >= o.task_limit
          )
          order by o.user_id
        ) filter (where o.place <= 100), '[]'
      )
    into v_claimable, v_active, v_orchestrators, v_users
    from (select w.*, row_number() over (order by w.user_id) as place from owner as w) as o;
  end if;

  v_total := v_claimable + case when p_include_active then v_active else 0 end;
  return v_counts - '{blocked,oldest_claimable_age_seconds,users_total,queued_tasks,active_tasks,suggested_workers}'::text[]
    || jsonb_build_object(
      'totals', jsonb_build_object(
        'queued_only', v_claimable, 'eligible_queued', v_claimable, 'active_only', v_active, 'queued_plus_active', v_total
      ),
      'count', v_total,
      'available_tasks', v_total,
      'queued_plus_active', v_total,
      'global_task_breakdown', jsonb_build_object(
        'in_progress_total', v_active + v_orchestrators,
        'in_progress_cloud', case p_place when 'cloud' then v_active + v_orchestrators else 0 end,
        'in_progress_local', case p_place when 'local' then v_active + v_orchestrators else 0 end,
        'orchestrator_tasks', v_orchestrators
      ),
      'users', v_users,
      'recent_tasks', (
        select coalesce(jsonb_agg(r.task), '[]')
        from jsonb_array_elements(v_counts -> 'recent_tasks') as r (task)
        where (r.task ->> 'is_cloud')::boolean = (p_place = 'cloud')
      )
    );
end;
$$;

create view public.active_workers_health
with (security_invoker = true)
as
select
  s.worker_id as id,
  s.instance_type,
  s.status,
  s.health as health_status,
  s.created_at,
  s.last_heartbeat,
  s.heartbeat_age_seconds,
  s.metadata -> 'vram_total_mb' as vram_total_mb,
  s.metadata -> 'vram_used_mb' as vram_used_mb,
  s.metadata -> 'vram_timestamp' as vram_timestamp,
  s.current_task_id,
  s.current_task_type,
  s.task_runtime_seconds,
  s.tasks_held,
  s.current_model
from fairlane_core.worker_states(interval '30 minutes') as s
where s.status not in ('terminated', 'error', 'crashed');

comment on view public.active_workers_health is
  'One row per worker that has not ended, with its health (see fairlane_core.worker_states) and what it runs. service_role only.';

create function fairlane_core.fleet_summary()
returns table (
  queued_tasks bigint,
  running_tasks bigint,
  completed_tasks bigint,
  failed_tasks bigint,
  inactive_workers bigint,
  active_workers bigint,
  terminated_workers bigint,
  external_workers bigint,
  stale_workers bigint,
  stuck_tasks bigint,
  snapshot_time timestamptz
) language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_settings fairlane_core.settings := (select s from fairlane_core.settings as s);
begin
  return query
  select
    (
      select coalesce(sum(l.ready_cloud + l.ready_cloud_orchestration + l.ready_local + l.ready_local_orchestration), 0)::bigint
      from fairlane_core.user_queues as l
    ) + (select coalesce(sum(b.task_count), 0)::bigint from fairlane_core.blocked_tasks as b),
    r.running,
    fairlane_core.ended_total('Complete'),
    fairlane_core.ended_total('Failed'),
    w.inactive, w.active, w.terminated, w.external, w.stale,
    r.stuck,
    v_now
  from (
    select
      count(*) as running,
      count(*) filter (where t.takes_slot and fairlane_core.last_news(t, v_settings.stuck_after, v_now) < v_now - v_settings.stuck_after) as stuck
    from public.tasks as t
    where t.status = 'In Progress'
  ) as r
    cross join (
      select
        count(*) filter (where k.status in ('inactive', 'spawning')) as inactive,
        count(*) filter (where k.status = 'active') as active,
        count(*) filter (where k.status = 'terminated') as terminated,
        count(*) filter (where k.instance_type = 'external' and k.status not in ('terminated', 'error', 'crashed')) as external,
        count(*) filter (
          where k.status = 'active' and not fairlane_core.is_beating(coalesce(k.last_heartbeat, k.created_at))
        ) as stale
      from public.workers as k
    ) as w;
end;
$$;

create view public.orchestrator_status
with (security_invoker = true)
as
select
  f.queued_tasks,
  f.running_tasks,
  f.completed_tasks,
  -- Two names for the same number, because clients use both.
  f.failed_tasks as error_tasks,
  f.failed_tasks,
  f.inactive_workers,
  f.active_workers,
  f.terminated_workers,
  f.external_workers,
  f.stale_workers,
  f.stuck_tasks,
  f.snapshot_time
from fairlane_core.fleet_summary() as f;

comment on view public.orchestrator_status is
  'The queue and the fleet in one row: tasks by state, workers by state, stale_workers (active, no heartbeat within gpu_heartbeat_timeout), stuck_tasks (running, not named for stuck_after). service_role only.';

create or replace function fairlane_core.parent_key()
returns text language plpgsql immutable security invoker set search_path = '' as $$
begin
  return 'orchestrator_task_id_ref';
end;
$$;

create or replace function fairlane_core.named_parents(p_params jsonb)
returns uuid[] language plpgsql immutable security invoker set search_path = '' as $$
begin
  return (
    select array_agg((p.holder ->> k.key)::uuid order by p.place, k.place)
    from (values (1, p_params), (2, p_params -> 'orchestrator_details')) as p (place, holder)
      cross join (
        values (1, 'orchestrator_task_id_ref'), (2, 'orchestrator_task_id'), (3, 'parent_orchestrator_task_id'), (4, 'orchestrator_id')
      ) as k (place, key)
    where p.holder ->> k.key ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
  );
end;
$$;

create or replace function fairlane_core.place_key()
returns text language plpgsql immutable security invoker set search_path = '' as $$
begin
  return 'segment_index';
end;
$$;

create or replace function fairlane_core.part_of(p_task_type text, p_params jsonb, out final_rank smallint, out part_index integer)
returns record language plpgsql immutable security invoker set search_path = '' as $$
declare
  v_join text := substring(p_params ->> 'join_index' from '^[0-9]{1,9}$');
  v_segment text := substring(p_params ->> 'segment_index' from '^[0-9]{1,9}$');
begin
  final_rank := case
    when p_task_type like '%\_stitch' then 3
    when v_join is not null then 2
    when v_segment is not null and p_task_type like '%segment%' then 1
    else 0
  end;
  part_index := case when final_rank = 3 then 0 else coalesce(v_join, v_segment)::integer end;
end;
$$;

create or replace function fairlane_core.has_expected_children(p_family fairlane_core.orchestrations, p_params jsonb, p_is_quiet boolean)
returns boolean language plpgsql immutable security invoker set search_path = '' as $$
declare
  v_details jsonb := p_params -> 'orchestrator_details';
  v_segments text := substring(v_details ->> 'num_new_segments_to_generate' from '^[0-9]{1,9}$');
begin
  if v_segments is not null then
    return p_family.part_count >= v_segments::integer and (p_family.final_count > 0 or p_is_quiet);
  elsif jsonb_typeof(v_details -> 'clip_list') = 'array' then
    return p_family.merge_count >= greatest(jsonb_array_length(v_details -> 'clip_list') - 1, 1);
  end if;
  return false;
end;
$$;

create or replace function fairlane_core.has_nothing_to_enqueue(p_report text)
returns boolean language plpgsql immutable security invoker set search_path = '' as $$
begin
  return coalesce(p_report ~ '^(\[WARNING Task ID: [^]]{1,100}\] )?No new segments to generate', false);
end;
$$;

create or replace function fairlane_core.has_enqueued(p_report text)
returns boolean language plpgsql immutable security invoker set search_path = '' as $$
begin
  return coalesce(p_report ~ '^(Successfully enqueued|\[IDEMPOTENT\])', false);
end;
$$;

create or replace function fairlane_core.task_model(p_params jsonb)
returns text language plpgsql immutable security invoker set search_path = '' as $$
begin
  return left(
    coalesce(p_params ->> 'model', p_params ->> 'model_name', p_params #>> '{orchestrator_details,model_name}'),
    200
  );
end;
$$;

create or replace function fairlane_core.takes_slot(p_task_type text, p_category text)
returns boolean language plpgsql immutable security invoker set search_path = '' as $$
begin
  if p_category is not null then
    return p_category <> 'orchestration';
  end if;
  return right(p_task_type, 13) is distinct from '_orchestrator';
end;
$$;

create or replace function fairlane_core.pools()
returns text[] language sql immutable security invoker set search_path = '' as $$
  select array['gpu', 'api', 'banodoco'];
$$;

create or replace function fairlane_core.switch_path(p_run_type text)
returns text[] language plpgsql immutable security invoker set search_path = '' as $$
begin
  return array['ui', 'generationMethods', case p_run_type when 'cloud' then 'inCloud' else 'onComputer' end];
end;
$$;

create or replace function fairlane_core.is_rented(p_worker public.workers)
returns boolean language plpgsql immutable security invoker set search_path = '' as $$
begin
  return coalesce(p_worker.metadata ? 'runpod_id', false);
end;
$$;

create function fairlane_core.workers_keep_runpod_id()
returns trigger language plpgsql security invoker set search_path = '' as $$
begin
  new.metadata := new.metadata || jsonb_build_object('runpod_id', old.metadata -> 'runpod_id');
  return new;
end;
$$;

create function fairlane_core.get_completed_segments(p_caller jsonb, p_run_id text, p_project_id uuid, p_after_index integer)
returns json language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_most constant integer := 10000;
  v_most_bytes constant integer := 32 * 1024 * 1024;
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
begin
  return (
    select coalesce(
      json_agg(
        json_build_object('segment_index', s.segment_index, 'output_location', s.output_location)
        order by s.segment_index
      ),
      '[]'
    )
    from (
      select w.segment_index, w.output_location, sum(octet_length(w.output_location)) over (order by w.segment_index) as bytes
      from (
        -- If a segment was made again, the newest counts.
        select distinct on (n.segment_index) n.segment_index, t.output_location
        from public.tasks as t
          cross join lateral (
            select substring(t.params ->> 'segment_index' from '^[0-9]{1,9}$')::integer
          ) as n (segment_index)
        where t.status = 'Complete'
          and t.task_type = 'travel_segment'
          and left(t.params ->> 'orchestrator_run_id', 128) = left(p_run_id, 128) -- as the index has it
          and t.params ->> 'orchestrator_run_id' = p_run_id
          and (v_caller.kind = 'service' or t.user_id = v_caller.user_id)
          and (p_project_id is null or t.project_id = p_project_id)
          and n.segment_index > coalesce(p_after_index, -1)
          and t.output_location <> ''
        order by n.segment_index, t.generation_processed_at desc nulls last, t.created_at desc, t.id
        limit v_most
      ) as w
    ) as s
    where s.bytes <= v_most_bytes
  );
end;
$$;

create function fairlane_core.update_shot_pair_prompts(p_caller jsonb)
returns json language plpgsql stable security definer set search_path = '' as $$
begin
  perform fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  perform fairlane_core.refuse(
    501, 'NOT_SUPPORTED', 'This queue keeps no shots, so it cannot store their prompts',
    'Go on without; the prompts are in the params of the segments'
  );
  return null;
end;
$$;

create function public.create_task(p_caller jsonb, p_task jsonb)
returns json language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.create_tasks(p_caller, jsonb_build_array(p_task)) -> 0;
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.create_task(jsonb, jsonb) is
  'Enqueues one task, once: see create_tasks for p_task. Out: {task_id, status, created (false: it existed before), task_type, project_id, dependant_on, run_type, priority, available_at, idempotency_key, output_location, created_at}. Errors as of create_tasks. service_role only.';

create function public.create_tasks(p_caller jsonb, p_tasks jsonb)
returns json language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return json_build_object('tasks', fairlane_core.create_tasks(p_caller, p_tasks));
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.create_tasks(jsonb, jsonb) is
  'Enqueues 1 to 1000 tasks, all or none, each {task_id, task_type, params, project, depends_on, run_type, priority, available_at, idempotency_key, max_attempts, timeout_seconds, created_at}; only task_type is needed, and a project or a parent in params. A task that already exists, by its id or its owner''s key, is returned as it is. Out: {tasks: [as create_task returns]} in the order sent. Errors: 400 INVALID_ARGUMENT, DEPENDENCY_CYCLE or PROJECT_REQUIRED, 403, 404 PROJECT_NOT_FOUND, 409 TASK_ID_TAKEN, 429 QUEUE_FULL. service_role only.';

create function public.cancel_tasks(
  p_filter jsonb,
  p_limit integer default 1000,
  p_reason text default null,
  p_caller jsonb default '{"kind":"service"}'
)
returns json language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.cancel_tasks(p_caller, p_filter, p_limit, p_reason);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.cancel_tasks(jsonb, integer, text, jsonb) is
  'Cancels live tasks that match every key of the filter {task_ids, status, task_type, user_id, project_id, orchestrator_task_id, created_before}; status is Queued (default) or In Progress. At most p_limit (1 to 1000) per call: repeat it while has_more is true. Tokens and users: their own. Out: {cancelled, passed_over, has_more}; passed_over are tasks that somebody is changing. Safe to repeat. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

create function public.get_task_status(p_caller jsonb, p_task_id uuid)
returns json language plpgsql stable security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.get_task_status(p_caller, p_task_id);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.get_task_status(jsonb, uuid) is
  '{task_id, task_type, status, attempt, error_message, created_at, updated_at, generation_started_at, generation_processed_at}. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

create function public.get_task_output(p_caller jsonb, p_task_id uuid)
returns json language plpgsql stable security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.get_task_output(p_caller, p_task_id);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.get_task_output(jsonb, uuid) is
  '{task_id, status, output_location (a progress text or the reason of a failure unless Complete), public_url (once Complete), thumbnail_url, error_message, result_data, params, dependant_on}. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

create function public.explain_task(p_caller jsonb, p_task_id uuid)
returns json language plpgsql stable security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.explain_task(p_caller, p_task_id);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.explain_task(jsonb, uuid) is
  'Why a task is not running: {task_id, status, claimable, reason, remedy, pool, runs_on_own_gpu, attempts, max_attempts, available_at, worker_id, tasks_ahead (in its user queue, up to 10000), users_ahead, running, task_limit, orchestrating, orchestration_limit, held, waits_for}. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

create function public.create_api_token(p_label text default '', p_expires_at timestamptz default null)
returns text language sql volatile security invoker set search_path = '' as $$
  select fairlane_core.create_api_token(p_label, p_expires_at)
$$;

comment on function public.create_api_token(text, timestamptz) is
  'Creates a personal access token for the signed-in user and returns it, only this once. Errors: 400 INVALID_ARGUMENT, 403 FORBIDDEN, 409 TOO_MANY_TOKENS.';

create function public.revoke_api_token(p_token_id uuid)
returns boolean language sql volatile security invoker set search_path = '' as $$
  select fairlane_core.revoke_api_token(p_token_id)
$$;

comment on function public.revoke_api_token(uuid) is
  'Revokes one of the signed-in user''s tokens; false when there is no such token in use.';

create function public.task_counts(
  p_caller jsonb,
  p_run_type text default null,
  p_include_active boolean default true,
  p_unused text[] default null,
  p_include_lists boolean default true
)
returns json language plpgsql stable security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.task_counts(p_caller, p_run_type, p_include_active, p_unused, p_include_lists);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.task_counts(jsonb, text, boolean, text[], boolean) is
  'What is claimable now, what is active and what is blocked why, in one pool or all (null). p_unused: fields of the request that the counts do not use, for a warning (ROUTING_IGNORED). p_include_lists: false leaves the lists of users and tasks empty, at a third of the cost; the oldest age is then that of the oldest 200 tasks that were never started. Out: one JSON object, see docs/architecture.md; tasks in numbers, ages in seconds. A service caller sees the whole system, a token or user their own. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

create function public.worker_health(p_caller jsonb, p_window_minutes numeric default 30)
returns json language plpgsql stable security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.worker_health(p_caller, p_window_minutes);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.worker_health(jsonb, numeric) is
  'The state of the fleet, over a window of 1 to 1440 minutes: {window_minutes, by_health, workers, failures, spawning, snapshot_at}. Errors: 400 INVALID_ARGUMENT, 403 FORBIDDEN. service_role only.';

create function public.explain_worker(p_caller jsonb, p_worker_id text, p_run_type text default null)
returns json language plpgsql stable security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.explain_worker(p_caller, p_worker_id, p_run_type);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.explain_worker(jsonb, text, text) is
  'Why a worker gets nothing from a pool (gpu when null): {worker_id, known, status, last_heartbeat, current_model, pool, gets_work, reason, remedy, claimable, holds, blocked}. Reasons: worker_terminating, worker_terminated, worker_error, holds_all_it_may, nothing_claimable. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

create function public.health(p_caller jsonb)
returns json language plpgsql stable security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.health(p_caller);
exception when lock_not_available then
  return fairlane_core.health_while_locked(p_caller);
end;
$$;

comment on function public.health(jsonb) is
  'Whether the queue''s jobs run and its counters agree: {version, status: ok or degraded, reasons: [{code: JOB_LATE, JOB_FAILED, DRIFT, ROW_MISSING, RESTORE_UNFINISHED, SETTLING_LATE or HELD_UP, message}], notices: [{code: FIELD_NOT_USED or UNKNOWN_TASK_TYPE, message}], which are no fault, checked_at, database_started_at, jobs: [{job, period_seconds, ran_at, took_ms, result, failed_at, error}]}. Errors: 403. service_role only.';

create function public.requeue_tasks(
  p_task_ids uuid[] default null,
  p_filter jsonb default null,
  p_limit integer default null,
  p_reason text default null,
  p_dry_run boolean default false,
  p_caller jsonb default '{"kind":"service"}'
)
returns json language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.requeue_tasks(p_caller, p_task_ids, p_filter, p_limit, p_reason, p_dry_run);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) is
  'Requeues Failed or Cancelled tasks, named by ids or selected by a filter {status, task_type, user_id, project_id, worker_id, error_contains, ended_since, ended_before}; all of the ids (at most 1000 at once, or p_limit: more are refused before anything changes), or of a filter at most p_limit (1 to 1000, default 100) per call, the oldest failure first: has_more says that others match, too. Each keeps its attempts and gets as many more as its type allows; the reason is in its history. Out: {requeued, matched, task_ids, passed_over, has_more, dry_run}; passed_over are those that are not Failed or Cancelled, do not exist, or that somebody is changing. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

create function public.repair_generations(
  p_limit integer default 1000, p_dry_run boolean default false, p_task_ids uuid[] default null
)
returns json language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.repair_generations(p_limit, p_dry_run, p_task_ids);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.repair_generations(integer, boolean, uuid[]) is
  'Creates missing result records of Complete tasks whose type creates generations, up to p_limit (1 to 10000; has_more says that another call may find more). What looks deleted or moved by the app is left alone and listed, up to p_limit, as doubtful_ids; those named in p_task_ids, and only those, are recorded anew. Safe to repeat. Out: {missing, torn, task_ids, doubtful_ids, has_more, dry_run}. Errors: 400 INVALID_ARGUMENT. service_role only.';

create function public.move_project(p_project_id uuid, p_user_id uuid, p_caller jsonb default '{"kind":"service"}')
returns json language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.move_project(p_caller, p_project_id, p_user_id);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.move_project(uuid, uuid, jsonb) is
  'Gives a project to another user, with its tasks, results, history, families and counters, in one transaction. Not while a task of it is In Progress, and not if a live task is related to one of another project: 409 PROJECT_HAS_TASKS, and nothing is changed. Out: {project_id, user_id, tasks, generations}. Errors: 400 INVALID_ARGUMENT, 403, 404 PROJECT_NOT_FOUND. service_role only.';

create function public.set_task_type(p_name text, p_changes jsonb default '{}', p_caller jsonb default '{"kind":"service"}')
returns json language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.set_task_type(p_caller, p_name, p_changes);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.set_task_type(text, jsonb, jsonb) is
  'Adds or changes a type of task, also while tasks of it are queued or running. p_changes names what changes, of {pool: one of fairlane_core.pools(), category: generation, processing, orchestration or utility, content_type: image, video or null, creates_generation, is_active (false holds its tasks back), is_retryable, max_attempts: 1 to 1000 or null, timeout_seconds: up to 30 days or null, runs_on_own_gpu: true for a type of another pool that GPU machines of the task''s owner run, too}; a new type otherwise keeps what it counted as. Out: {name, change: added, changed or none, before, type, is_settled: false while tasks of it are still being updated}. Errors: 400 INVALID_ARGUMENT, 403, 503 UNAVAILABLE. service_role only.';

create function public.unknown_task_types(p_caller jsonb default '{"kind":"service"}')
returns json language plpgsql stable security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.unknown_task_types(p_caller);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.unknown_task_types(jsonb) is
  'Types without a row in task_types that tasks were enqueued with in the last seven days, up to a minute or two ago: {types: [{name, task_count, first_seen_at, last_seen_at, taken_for: {pool, category, content_type, creates_generation, is_active, is_retryable, max_attempts, timeout_seconds, runs_on_own_gpu}, hint}], since}, the last seen first; at most 1000. Errors: 403, 503 UNAVAILABLE. service_role only.';

create function public.files_to_sweep(p_caller jsonb, p_after text default null)
returns json language plpgsql stable security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.files_to_sweep(p_caller, p_after);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.files_to_sweep(jsonb, text) is
  'Files of failed, cancelled and deleted tasks, older than a day, that no output, result record or live task''s params name; among the thousand objects after the name p_after. Out: {files, next}; next is the p_after of the next page, null at the end. service_role only.';

create function public.note_unused_fields(p_caller jsonb, p_endpoint text, p_counts jsonb)
returns void language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  perform fairlane_core.note_unused_fields(p_caller, p_endpoint, p_counts);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
end;
$$;

comment on function public.note_unused_fields(jsonb, text, jsonb) is
  'Adds what an instance of the endpoint has counted: p_counts = {field: how often it came and was not used}, at most 50 fields a call and 500 in all. Shown by health as FIELD_NOT_USED. Errors: 403. service_role only.';

create function public.claim_next_task(
  p_caller jsonb,
  p_worker_id text,
  p_run_type text default null,
  p_claim_id text default null,
  p_same_model_only boolean default false,
  p_max_task_wait_minutes numeric default null,
  p_dry_run boolean default false
)
returns json language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.claim_next_task(
    p_caller, p_worker_id, p_run_type, p_claim_id, p_same_model_only, p_max_task_wait_minutes, p_dry_run
  );
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.claim_next_task(jsonb, text, text, text, boolean, numeric, boolean) is
  'Hands one task to the caller, or null when there is none. In: the caller, the worker''s id, the pool (gpu when null), claim_id (repeat it when the reply was lost: same answer), whether tasks of the loaded model take precedence over the turn (the worker takes others if there are none), minutes (fractions too) after which affinity no longer matters, dry run. Out: {task_id, task_type, params, project_id, lease_token, attempt, attempts}; a dry run returns {dry_run, available_tasks, task}. Errors: 400 INVALID_ARGUMENT, 403 UNKNOWN_TOKEN or FORBIDDEN, 409 WORKER_NOT_ELIGIBLE or CLAIM_ID_USED. service_role only.';

create function public.complete_task(
  p_caller jsonb,
  p_task_id uuid,
  p_output_location text default null,
  p_thumbnail_url text default null,
  p_result_data jsonb default null,
  p_lease_token uuid default null,
  p_description text default null
)
returns json language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.complete_task(p_caller, p_task_id, p_output_location, p_thumbnail_url, p_result_data, p_lease_token, p_description);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.complete_task(jsonb, uuid, text, text, jsonb, uuid, text) is
  'Completes a task: status, output, result record, history and dependents in one transaction, once. A repeat changes nothing and returns what is stored. p_description that is a JSON object becomes output_location, the output then stays the file. Out: {task_id, status, output_location, public_url, thumbnail_url, error_message, attempt, generation_created, generation_id}. Errors: 404 TASK_NOT_FOUND, 409 LEASE_LOST or ILLEGAL_TRANSITION, 403. service_role only.';

create function public.update_task_status(
  p_caller jsonb,
  p_task_id uuid,
  p_status text,
  p_output_location text default null,
  p_error_message text default null,
  p_error_details text default null,
  p_thumbnail_url text default null,
  p_result_data jsonb default null,
  p_reset_generation_started_at boolean default false,
  p_lease_token uuid default null,
  p_attempts integer default null
)
returns json language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.update_task_status(
    p_caller, p_task_id, p_status, p_output_location, p_error_message, p_error_details, p_thumbnail_url,
    p_result_data, p_reset_generation_started_at, p_lease_token, p_attempts
  );
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid, integer) is
  'Reports on a task: In Progress with a text or a new billing start, Failed with a reason (error_message, else output_location, else error_details), Complete, Cancelled, or Queued to release it; with error_details that is a failed attempt, number p_attempts, which counts. Out: {task_id, status, output_location, public_url, thumbnail_url, error_message, attempt, generation_created, generation_id} and changed (false: only recorded; not in the reply to Complete). Errors: 404 TASK_NOT_FOUND, 409 LEASE_LOST or ILLEGAL_TRANSITION (both states in the message), 403. service_role only.';

create function public.mark_task_failed(
  p_caller jsonb,
  p_task_id uuid,
  p_error_message text default null,
  p_error_details text default null,
  p_retryable boolean default true,
  p_lease_token uuid default null
)
returns json language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.mark_task_failed(p_caller, p_task_id, p_error_message, p_error_details, p_retryable, p_lease_token);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.mark_task_failed(jsonb, uuid, text, text, boolean, uuid) is
  'Reports a failure. While attempts are left and neither p_retryable nor the task''s type says otherwise, the task goes back to the queue and waits (fairlane_core.retry_wait); else it ends Failed. Out: {task_id, status, output_location, public_url, thumbnail_url, error_message, attempt, generation_created, generation_id, changed (false: only recorded), will_retry, available_at}. Errors: 404 TASK_NOT_FOUND, 409 LEASE_LOST or ILLEGAL_TRANSITION, 403. service_role only.';

create function public.upload_target(p_caller jsonb, p_task_id uuid, p_lease_token uuid default null)
returns json language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.upload_target(p_caller, p_task_id, p_lease_token);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.upload_target(jsonb, uuid, uuid) is
  'Whose folder the files of a task go to, and whether it still accepts any: while it runs, and after it was requeued from a worker that may still finish it. Out: {task_id, user_id, status, attempt, is_open}. Errors: 404 TASK_NOT_FOUND, 409 LEASE_LOST, 403. service_role only.';

create function public.beat(
  p_caller jsonb,
  p_worker_id text,
  p_status text default 'active',
  p_task_ids uuid[] default null,
  p_vram_total_mb json default null,
  p_vram_used_mb json default null,
  p_logs json default null
)
returns json language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.beat_by_route(p_caller, p_worker_id, p_status, p_task_ids, p_vram_total_mb, p_vram_used_mb, p_logs);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.beat(jsonb, text, text, uuid[], json, json, json) is
  'A worker''s heartbeat, as functions call it. A service caller''s is that of func_worker_heartbeat_with_logs. A token''s is a sign of life for what its machine of this name runs: all of it, or the tasks in p_task_ids, if given; after its first heartbeat for a task it may be silent for token_beat_timeout. terminated requeues what it runs without counting the attempt, crashed requeues it; under a shared name only what it names; what somebody holds at the next rescue. Log lines of tokens are kept if they name a task that the token runs. Out: {success, heartbeat_updated, logs_inserted, log_errors, stop: [{task_id, reason}]}. Errors: 400 INVALID_ARGUMENT, 403 for users. service_role only.';

create function public.keep_worker(p_worker_id text, p_keep boolean default true, p_caller jsonb default '{"kind":"service"}')
returns json language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.keep_worker(p_caller, p_worker_id, p_keep);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.keep_worker(text, boolean, jsonb) is
  'Brings a worker back that somebody set aside, and keeps it: while it sends heartbeats (an api worker always), no direct write of the service key sets it to terminating, terminated or error. With p_keep false orchestrators may set it aside again. Out: {worker_id, status, kept_at}. Errors: 404 WORKER_NOT_FOUND, 403. service_role only.';

create function public.note_call(p_caller jsonb, p_task_id uuid)
returns boolean language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.note_call(p_caller, p_task_id);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.note_call(jsonb, uuid) is
  'Records that a token''s call has named a task that it runs: a sign of life. True when it wrote; false when the task is not its own or was named within 10 s. service_role only.';

create function public.note_refused_claim(p_caller jsonb, p_worker_id text)
returns boolean language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.note_refused_claim(p_caller, p_worker_id);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.note_refused_claim(jsonb, text) is
  'Records, at most once a minute per worker, that a claim was refused because of the worker''s status; true when it did. An api worker that only others reported as silent or gone is active again. service_role only.';

create function public.update_worker_model(p_caller jsonb, p_worker_id text, p_model text)
returns json language plpgsql volatile security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.update_worker_model(p_caller, p_worker_id, p_model);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.update_worker_model(jsonb, text, text) is
  'Records the model that a worker has loaded: {worker_id, current_model}. Errors: 404 WORKER_NOT_FOUND, 400 INVALID_ARGUMENT, 403 for all but the service. service_role only.';

create function public.get_predecessor_output(
  p_caller jsonb, p_task_id uuid, p_parent_generation_id uuid default null, p_child_order integer default null
)
returns json language plpgsql stable security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.get_predecessor_output(p_caller, p_task_id, p_parent_generation_id, p_child_order);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.get_predecessor_output(jsonb, uuid, uuid, integer) is
  'Null for a task without dependencies, else {predecessor_id, output_location (null until all are Complete), status (null when there is no such task of the same owner), predecessors: the same for every dependency, all_complete, lookup_method}; the first dependency is tasks.dependant_on. Without one, and with p_parent_generation_id and p_child_order: the owner''s newest record at the position before it, or nulls. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

create function public.get_orchestrator_children(p_caller jsonb, p_orchestrator_task_id uuid, p_after text default null)
returns json language plpgsql stable security invoker set search_path = '' set lock_timeout = '200ms' as $$
begin
  return fairlane_core.get_orchestrator_children(p_caller, p_orchestrator_task_id, p_after);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function public.get_orchestrator_children(jsonb, uuid, text) is
  '{tasks: [{id, task_type, status, params, output_location}], is_cut, next}: the tasks of the same owner whose params name this task as their parent, oldest first; at most 1000 and 32 MiB, is_cut says that there are more, and next is the p_after that returns them. Errors: 400 INVALID_ARGUMENT, 404 TASK_NOT_FOUND, 403. service_role only.';

select fairlane_core.lock_tables(
  'fairlane_core.blocked_tasks',
  'fairlane_core.orchestrations',
  'fairlane_core.settings',
  'fairlane_core.subtasks',
  'fairlane_core.task_dependencies',
  'fairlane_core.user_queues',
  'fairlane_core.user_slots',
  'public.generations',
  'public.projects',
  'public.system_logs',
  'public.task_events',
  'public.task_types',
  'public.tasks',
  'public.user_api_tokens',
  'public.users',
  'public.workers'
);

-- From here on the queue's own triggers complete a row.
drop trigger tasks_are_completed on public.tasks;
drop function public.complete_old_task();

-- A claim and a plain completion set everything derived themselves, including readiness (fairlane_core.start_task,
-- fairlane_core.complete_task), and a heartbeat changes nothing derived (fairlane_core.show_signs_of_life): the trigger
-- skips them. The condition is short because every statement that updates tasks parses it again.
create trigger tasks_before_update
  before update on public.tasks
  for each row
  when (current_setting('fairlane_core.mode', true) is distinct from 'counts_itself')
  execute function fairlane_core.tasks_before_update();

create trigger tasks_after_insert_enforce_queue_limit
  after insert on public.tasks
  referencing new table as new_rows
  for each statement execute function fairlane_core.enforce_queue_limit();

create trigger projects_after_insert_enforce_project_limit
  after insert on public.projects
  referencing new table as new_rows
  for each statement execute function fairlane_core.enforce_project_limit();

create trigger projects_before_write
  before insert or update of name on public.projects
  for each row
  when (length(new.name) > 255)
  execute function fairlane_core.projects_before_write();

create trigger tasks_before_insert
  before insert on public.tasks
  for each row execute function fairlane_core.tasks_before_insert();

create trigger tasks_after_insert
  after insert on public.tasks
  referencing new table as new_rows
  for each statement execute function fairlane_core.tasks_after_insert();

create trigger tasks_after_delete
  after delete on public.tasks
  referencing old table as old_rows
  for each statement execute function fairlane_core.tasks_after_delete();

create trigger tasks_after_update
  after update on public.tasks
  referencing old table as old_rows new table as new_rows
  for each statement
  -- A claim and a plain completion update counters and history themselves (fairlane_core.claim_next_task,
  -- fairlane_core.start_task, fairlane_core.complete_task); a heartbeat changes none.
  when (current_setting('fairlane_core.mode', true) is distinct from 'counts_itself')
  execute function fairlane_core.tasks_after_update();

create trigger user_queues_before_insert
  before insert on fairlane_core.user_queues
  for each row execute function fairlane_core.user_queues_before_insert();

create trigger settings_after_update
  after update on fairlane_core.settings
  for each row execute function fairlane_core.settings_after_update();

create trigger task_types_after_write
  after insert or update or delete on public.task_types
  for each row execute function fairlane_core.task_types_after_write();

create trigger users_before_delete
  before delete on public.users
  for each row execute function fairlane_core.users_before_delete();

create trigger users_after_delete
  after delete on public.users
  for each row execute function fairlane_core.users_after_delete();

create trigger projects_before_delete
  before delete on public.projects
  for each row execute function fairlane_core.projects_before_delete();

create trigger users_after_insert
  after insert on public.users
  referencing new table as new_rows
  for each statement execute function fairlane_core.users_after_write();

create trigger users_after_update
  after update on public.users
  referencing new table as new_rows
  for each statement execute function fairlane_core.users_after_write();

create trigger users_keep_settings_small
  before insert or update of settings on public.users
  for each row
  when (pg_column_size(new.settings) > 100)
  execute function fairlane_core.users_keep_settings_small();

create trigger projects_before_insert
  before insert on public.projects
  for each row execute function fairlane_core.projects_before_insert();

create trigger projects_before_update
  before update of user_id on public.projects
  for each row
  when (new.user_id <> old.user_id)
  execute function fairlane_core.projects_before_update();

create trigger projects_after_update
  after update of user_id on public.projects
  for each row
  when (new.user_id <> old.user_id)
  execute function fairlane_core.projects_after_update();

create trigger tasks_after_truncate
  after truncate on public.tasks
  for each statement execute function fairlane_core.tasks_after_truncate();

create trigger events_after_truncate
  after truncate on public.task_events
  for each statement execute function fairlane_core.events_after_truncate();

create trigger refuse_truncate after truncate on public.task_types for each statement execute function fairlane_core.refuse_truncate();
create trigger refuse_truncate after truncate on fairlane_core.settings for each statement execute function fairlane_core.refuse_truncate();
create trigger refuse_truncate after truncate on fairlane_core.task_dependencies for each statement execute function fairlane_core.refuse_truncate();
create trigger refuse_truncate after truncate on fairlane_core.subtasks for each statement execute function fairlane_core.refuse_truncate();
create trigger refuse_truncate after truncate on fairlane_core.orchestrations for each statement execute function fairlane_core.refuse_truncate();
create trigger refuse_truncate after truncate on fairlane_core.user_slots for each statement execute function fairlane_core.refuse_truncate();
create trigger refuse_truncate after truncate on fairlane_core.user_queues for each statement execute function fairlane_core.refuse_truncate();
create trigger refuse_truncate after truncate on fairlane_core.blocked_tasks for each statement execute function fairlane_core.refuse_truncate();

create trigger workers_after_write
  after update on public.workers
  referencing old table as old_rows new table as new_rows
  for each statement execute function fairlane_core.workers_after_write();

create trigger workers_after_insert
  after insert on public.workers
  referencing new table as new_rows
  for each statement execute function fairlane_core.workers_after_insert();

create trigger workers_after_delete
  after delete on public.workers
  referencing old table as old_rows
  for each statement execute function fairlane_core.workers_after_delete();

create trigger user_api_tokens_after_update
  after update on public.user_api_tokens
  referencing old table as old_rows new table as new_rows
  for each statement execute function fairlane_core.user_api_tokens_after_update();

create trigger workers_before_write
  before insert or update of status, metadata, reaped_at on public.workers
  for each row execute function fairlane_core.workers_before_write();

create trigger workers_before_status
  before update of status on public.workers
  for each row
  when (old.reaped_at is not null or old.goodbye_at is not null or old.kept_at is not null or old.status = 'crashed' or old.instance_type = 'api')
  execute function fairlane_core.workers_before_status();

create trigger workers_before_metadata
  before update of metadata on public.workers
  for each row
  -- Checked here, with the rights of the writer: the queue's own heartbeats need not call the function.
  when (
    new.metadata is distinct from old.metadata and current_user = 'service_role' and jsonb_typeof(new.metadata) = 'object'
  )
  execute function fairlane_core.workers_before_metadata();

create trigger workers_keep_metadata_small
  before insert or update of metadata on public.workers
  for each row
  when (pg_column_size(new.metadata) > 100)
  execute function fairlane_core.workers_keep_metadata_small();

-- Before workers_before_write, which reads the final metadata.
create trigger workers_before_update_keep_runpod_id
  before update of metadata on public.workers
  for each row
  when (old.metadata ? 'runpod_id' and not new.metadata ? 'runpod_id')
  execute function fairlane_core.workers_keep_runpod_id();

-- Who may see and do what: all rights on one page. Nobody has a right that is not granted here. First everything is
-- revoked, because Postgres lets everybody execute a new function, and a platform may grant everybody every new object
-- of public; then each role gets what it needs. In public only the queue's own objects are named: those of the app are
-- not touched.

revoke all on schema fairlane_core from public, anon, authenticated, service_role;
revoke all on all tables in schema fairlane_core from public, anon, authenticated, service_role;
revoke all on all sequences in schema fairlane_core from public, anon, authenticated, service_role;
revoke all on all functions in schema fairlane_core from public, anon, authenticated, service_role;

alter table public.users enable row level security;

alter table public.projects enable row level security;

alter table public.user_api_tokens enable row level security;

alter table public.workers enable row level security;

alter table public.tasks enable row level security;

alter table public.generations enable row level security;

alter table public.system_logs enable row level security;

revoke all on table
  public.users, public.projects, public.tasks, public.workers, public.generations, public.system_logs, public.user_api_tokens
  from public, anon, authenticated, service_role;
revoke all on sequence public.system_logs_id_seq from public, anon, authenticated, service_role;

revoke all on function
  public.beat(jsonb, text, text, uuid[], json, json, json), public.cancel_tasks(jsonb, integer, text, jsonb), public.claim_next_task(jsonb, text, text, text, boolean, numeric, boolean), public.complete_task(jsonb, uuid, text, text, jsonb, uuid, text), public.create_api_token(text, timestamptz),
  public.create_task(jsonb, jsonb), public.create_tasks(jsonb, jsonb), public.explain_task(jsonb, uuid), public.explain_worker(jsonb, text, text), public.files_to_sweep(jsonb, text),
  public.get_orchestrator_children(jsonb, uuid, text), public.get_predecessor_output(jsonb, uuid, uuid, integer), public.get_task_output(jsonb, uuid), public.get_task_status(jsonb, uuid),
  public.health(jsonb), public.keep_worker(text, boolean, jsonb), public.mark_task_failed(jsonb, uuid, text, text, boolean, uuid), public.move_project(uuid, uuid, jsonb), public.note_call(jsonb, uuid),
  public.note_refused_claim(jsonb, text), public.note_unused_fields(jsonb, text, jsonb), public.repair_generations(integer, boolean, uuid[]), public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb),
  public.revoke_api_token(uuid), public.set_task_type(text, jsonb, jsonb), public.task_counts(jsonb, text, boolean, text[], boolean), public.unknown_task_types(jsonb),
  public.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid, integer), public.update_worker_model(jsonb, text, text), public.upload_target(jsonb, uuid, uuid), public.worker_health(jsonb, numeric)
  from public, anon, authenticated, service_role;

-- The thin functions of public run as their caller and call the definer functions of fairlane_core.
grant usage on schema fairlane_core to authenticated, service_role;

-- The service key may read derived state; only the queue's own functions change it.
grant select on all tables in schema fairlane_core to service_role;

grant select on table public.users to authenticated;
grant select, insert, update, delete on table public.users to service_role;

create policy users_read_themselves on public.users
  for select to authenticated
  using (id = (select auth.uid()));

-- A user names a project, but cannot choose its id or its age.
grant select, delete, insert (id, user_id, name), update (name) on table public.projects to authenticated;
grant select, insert, update, delete on table public.projects to service_role;

create policy owners_read_projects on public.projects
  for select to authenticated
  using (user_id = (select auth.uid()) and deleted_at is null);

create policy owners_create_projects on public.projects
  for insert to authenticated
  with check (user_id = (select auth.uid()));

create policy owners_update_projects on public.projects
  for update to authenticated
  using (user_id = (select auth.uid()) and deleted_at is null)
  with check (user_id = (select auth.uid()));

create policy owners_delete_projects on public.projects
  for delete to authenticated
  using (user_id = (select auth.uid()) and deleted_at is null);

grant select on table public.task_types to authenticated;
grant select, insert, update, delete on table public.task_types to service_role;

create policy everyone_signed_in_reads_task_types on public.task_types
  for select to authenticated
  using (true);

grant select on table public.tasks to authenticated;

-- created_at is accepted, because clients send it, and replaced (fairlane_core.tasks_before_insert).
grant insert (
  id, task_type, params, project_id, dependant_on, created_at, run_type, priority, available_at, idempotency_key
) on table public.tasks to authenticated;

grant select, delete on table public.tasks to service_role;

-- The columns that prove a claim or a requeue (lease_token, requeue_count, ...) are not among these:
-- only the queue's own functions can write them, and the state machine asks for that proof.
grant insert (
  id, task_type, params, status, project_id, user_id, dependant_on, output_location, attempts, error_message, created_at,
  updated_at, result_data, error_details, run_type, priority, available_at, idempotency_key, max_attempts, timeout
) on table public.tasks to service_role;

grant update (
  task_type, params, status, worker_id, output_location, attempts, error_message, updated_at,
  generation_started_at, generation_processed_at, result_data, error_details, thumbnail_url, run_type, priority,
  available_at, max_attempts, timeout
) on table public.tasks to service_role;

create policy owners_read_tasks on public.tasks
  for select to authenticated
  using (user_id = (select auth.uid()));

create policy owners_enqueue_tasks on public.tasks
  for insert to authenticated
  with check (user_id = (select auth.uid()));

grant select, delete on table public.workers to service_role;

-- All but reaped_at, failed_at, goodbye_at, ended_at and kept_at.
grant insert (id, instance_type, status, last_heartbeat, created_at, metadata, current_model),
  update (id, instance_type, status, last_heartbeat, created_at, metadata, current_model)
  on table public.workers to service_role;

grant select on table public.generations to authenticated;
grant select, insert, update, delete on table public.generations to service_role;

create policy owners_read_generations on public.generations
  for select to authenticated
  using (user_id = (select auth.uid()));

grant select on table public.task_events to authenticated, service_role;

create policy owners_read_task_events on public.task_events
  for select to authenticated
  using (user_id = (select auth.uid()));

grant usage on sequence public.system_logs_id_seq to service_role;
grant select, insert, delete on table public.system_logs to service_role;

grant select (id, user_id, label, created_at, token_prefix, expires_at, revoked_at)
  on table public.user_api_tokens to authenticated;
grant select, insert, update, delete on table public.user_api_tokens to service_role;

create policy owners_read_tokens on public.user_api_tokens
  for select to authenticated
  using (user_id = (select auth.uid()));

-- What signed-in users call, and what those functions call.
grant execute on function
  public.create_api_token(text, timestamptz), public.revoke_api_token(uuid), fairlane_core.create_api_token, fairlane_core.revoke_api_token
  to authenticated;

-- What the service key calls.
grant execute on function
  public.beat(jsonb, text, text, uuid[], json, json, json), public.cancel_tasks(jsonb, integer, text, jsonb), public.claim_next_task(jsonb, text, text, text, boolean, numeric, boolean), public.complete_task(jsonb, uuid, text, text, jsonb, uuid, text), public.create_task(jsonb, jsonb),
  public.create_tasks(jsonb, jsonb), public.explain_task(jsonb, uuid), public.explain_worker(jsonb, text, text), public.files_to_sweep(jsonb, text),
  public.get_orchestrator_children(jsonb, uuid, text), public.get_predecessor_output(jsonb, uuid, uuid, integer), public.get_task_output(jsonb, uuid), public.get_task_status(jsonb, uuid),
  public.health(jsonb), public.keep_worker(text, boolean, jsonb), public.mark_task_failed(jsonb, uuid, text, text, boolean, uuid), public.move_project(uuid, uuid, jsonb), public.note_call(jsonb, uuid),
  public.note_refused_claim(jsonb, text), public.note_unused_fields(jsonb, text, jsonb), public.repair_generations(integer, boolean, uuid[]), public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb),
  public.set_task_type(text, jsonb, jsonb), public.task_counts(jsonb, text, boolean, text[], boolean), public.unknown_task_types(jsonb), public.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid, integer),
  public.update_worker_model(jsonb, text, text), public.upload_target(jsonb, uuid, uuid), public.worker_health(jsonb, numeric)
  to service_role;

-- What those functions call, and what operators and the jobs call.
grant execute on function
  fairlane_core.beat_by_route, fairlane_core.cancel_tasks, fairlane_core.claim_next_task, fairlane_core.cleanup, fairlane_core.complete_task, fairlane_core.advance_status_totals,
  fairlane_core.create_tasks, fairlane_core.drift, fairlane_core.explain_task, fairlane_core.explain_worker, fairlane_core.files_to_sweep,
  fairlane_core.get_orchestrator_children, fairlane_core.get_predecessor_output, fairlane_core.get_task_output, fairlane_core.get_task_status,
  fairlane_core.health, fairlane_core.health_while_locked, fairlane_core.insert_logs_batch, fairlane_core.keep_worker, fairlane_core.mark_task_failed,
  fairlane_core.repair_orchestrations, fairlane_core.move_project, fairlane_core.note_call, fairlane_core.note_refused_claim, fairlane_core.note_unused_fields,
  fairlane_core.purge, fairlane_core.reconcile, fairlane_core.refuse_while_locked, fairlane_core.repair_generations, fairlane_core.requeue_tasks,
  fairlane_core.rescue, fairlane_core.run_job, fairlane_core.set_task_type, fairlane_core.settle_deferred, fairlane_core.sweep, fairlane_core.task_counts,
  fairlane_core.unknown_task_types, fairlane_core.update_task_status, fairlane_core.update_worker_model, fairlane_core.upload_target,
  fairlane_core.worker_health, fairlane_core.worker_heartbeat, fairlane_core.worker_states
  to service_role;

-- Triggers call these with the rights of the writer.
grant execute on function
  fairlane_core.has_called_lately, fairlane_core.is_beating, fairlane_core.metadata_without_end
  to service_role;

-- The same for what ships only with the fleet (85_fleet).

revoke all on table public.active_workers_health, public.orchestrator_status
  from public, anon, authenticated, service_role;

revoke all on function
  public.func_get_task_counts(text, text), public.func_insert_logs_batch(json), public.func_update_worker_heartbeat(json),
  public.func_worker_heartbeat_with_logs(json), public.get_completed_segments(jsonb, text, uuid, integer), public.update_shot_pair_prompts(jsonb)
  from public, anon, authenticated, service_role;

grant select on table public.active_workers_health, public.orchestrator_status to service_role;

grant execute on function
  public.func_get_task_counts(text, text), public.func_insert_logs_batch(json), public.func_update_worker_heartbeat(json),
  public.func_worker_heartbeat_with_logs(json), public.get_completed_segments(jsonb, text, uuid, integer), public.update_shot_pair_prompts(jsonb),
  fairlane_core.counts_of_place, fairlane_core.fleet_summary, fairlane_core.get_completed_segments, fairlane_core.update_shot_pair_prompts
  to service_role;

notify pgrst, 'reload schema';
