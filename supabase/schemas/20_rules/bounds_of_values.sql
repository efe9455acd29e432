-- Which values are allowed, however they arrive: priority, times, limits and names of tasks; the size of JSON, of its
-- numbers, of texts; what a reply can hold.

-- One infinite timestamp would make every subtraction fail, for everybody; one number at the end of its range every
-- sum; one text of a megabyte every list that shows it. So a row has the bounds of create-task however it is written.
-- Checked here and not by constraints, which the table's hottest statements would parse again each time. A row keeps
-- values older than these bounds: it must still be possible to end it.
-- Raises 400 INVALID_ARGUMENT when a value that is new in this version of a task is out of bounds (times, priority,
-- limits, names) or its run_type does not exist.
create function fairlane_core.refuse_impossible_values(p_task fairlane.tasks, p_old fairlane.tasks default null)
returns void
language plpgsql
immutable
security invoker
set search_path = ''
as $$
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

-- Raises 413 PARAMS_TOO_LARGE when the value exceeds the bounds of fairlane_core.json_fault.
create function fairlane_core.refuse_large_json(p_value jsonb, p_name text)
returns void
language plpgsql
immutable
security invoker
set search_path = ''
as $$
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

-- What a worker sends besides its message is never a reason to refuse the report: data that is too large is kept as
-- text, cut if necessary.
-- Returns the data; if it exceeds the bounds of fairlane_core.json_fault, the reason (not_kept) and both ends of its
-- text, if that can be written at all.
create function fairlane_core.bounded_data(p_data jsonb)
returns jsonb
language plpgsql
immutable
security invoker
set search_path = ''
as $$
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

-- Why a JSON value is too large to store, as the end of a sentence: more than 1 MiB written out, 100 levels, 200,000
-- values, or a number of more than 400 characters; null when it is not. One function for all entry points: a value that
-- one accepts and another cannot read breaks every reader.
create function fairlane_core.json_fault(p_value jsonb)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
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

-- Whether a task's params can be handed out: at most 8 MiB written out. Params stored since the bound exists satisfy it
-- (has_bounded_params); an older row is measured, because it may hold what cannot be written out.
create function fairlane_core.fits_a_reply(p_has_bounded_params boolean, p_params jsonb)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return p_has_bounded_params or fairlane_core.written_length(p_params, 8388608) is not null;
end;
$$;

-- The length of a JSON value as text, or null when it exceeds p_most, which is determined without writing it. jsonb
-- stores 1e131071 in a dozen bytes, and rows are compressed: what is small on disk may take gigabytes to write. So the
-- digits of long numbers are added up first, and the whole is written only when it is known to be harmless.
create function fairlane_core.written_length(p_value jsonb, p_most integer)
returns integer
language plpgsql
immutable
security invoker
set search_path = ''
as $$
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

-- How long a number is when written out, determined without writing it: 1e131071 takes eight characters to send and
-- 131,072 to write, and one request may hold 90,000 of them. Exact up to 400 characters; above, at least the returned
-- length and less than five times as much.
create function fairlane_core.number_length(p_number numeric)
returns integer
language plpgsql
immutable
security invoker
set search_path = ''
as $$
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

-- A worker's message may have any length. The beginning says what it is about, the end what happened last.
-- Returns the text; if it is longer than 80 KiB, the first 64 KiB, its length and the last 16 KiB. Null stays null.
create function fairlane_core.cut_ends(p_text text)
returns text
language plpgsql
immutable
strict
security invoker
set search_path = ''
as $$
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

-- Whether a text is spelled like a UUID.
create function fairlane_core.is_uuid(p_text text)
returns boolean
language plpgsql
immutable
strict -- most arguments are null, and then no call is made
security invoker
set search_path = ''
as $$
begin
  return p_text ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
end;
$$;
