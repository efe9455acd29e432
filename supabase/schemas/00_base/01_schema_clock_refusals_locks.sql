-- The base of everything else: the schema, the one clock, the one way to refuse, and what migrations and callers do
-- when a table is locked. Migrations call these functions before any rule exists.

-- Schema `fairlane_core` holds the rules and the derived state of the task queue. The Data API does not
-- expose it: callers use the short list of functions and the tables in `public`.
create schema fairlane_core;

comment on schema fairlane_core is
  'Rules and derived state of the task queue. Not exposed by the Data API; callers use the functions in the API schema.';

-- Revokes what the platform's defaults grant on new objects of this schema. Postgres itself grants everybody execute on
-- a new function, and no per-schema default can revoke that. So 91_grants first revokes everything; tests in
-- supabase/tests/schema compare.
alter default privileges in schema fairlane_core revoke all on tables from public, anon, authenticated, service_role;
alter default privileges in schema fairlane_core revoke all on sequences from public, anon, authenticated, service_role;
alter default privileges in schema fairlane_core revoke all on functions from public, anon, authenticated, service_role;

-- The only clock of the queue, so that a test can move every deadline at once.
-- Stable within a transaction, like now(): one snapshot, one time.
-- plpgsql, here and in the other small functions of the hot path: it keeps its plan between calls, while an SQL
-- function with a pinned search_path can neither be inlined nor keep one.
-- The time every rule of the queue uses: the transaction's clock plus fairlane_core.settings.clock_offset.
create function fairlane_core.now()
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return pg_catalog.now() + (select s.clock_offset from fairlane_core.settings as s);
end;
$$;

-- Error and progress texts may have any length, but rows that are read all day should stay small.
-- Returns the text, cut with a mark if it is longer than fairlane_core.settings.max_text_length characters; one that it has
-- cut stays as it is, and so does null.
create function fairlane_core.cut_text(p_text text)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_max integer := (select s.max_text_length from fairlane_core.settings as s);
begin
  -- Counting bytes takes constant time, counting characters does not.
  if octet_length(p_text) <= v_max
    or pg_catalog.length(p_text) <= v_max
    or (pg_catalog.length(p_text) <= v_max + 60 and p_text ~ ' … \[cut: \d+ characters in all\]$') then
    return p_text;
  end if;
  return pg_catalog.left(p_text, v_max)
    || pg_catalog.format(' … [cut: %s characters in all]', pg_catalog.length(p_text));
end;
$$;

-- While somebody holds a table lock (a migration, vacuum full, lock table), callers must not queue behind it: they
-- occupy connections that others need. So the API functions wait 200 ms for a lock and then say this.
-- Refuses a call that got 55P03 (lock_timeout): 503 UNAVAILABLE.
create function fairlane_core.refuse_while_locked()
returns void
language plpgsql
volatile
security definer -- the functions of the API run with their caller's rights
set search_path = ''
as $$
begin
  perform fairlane_core.refuse(
    503, 'UNAVAILABLE', 'Another session holds what this call needs',
    'Nothing was changed: repeat the same request; health names that session'
  );
end;
$$;

-- Every refusal goes through here, so that each one has a status, a stable code and a message.
-- PostgREST turns SQLSTATE PTnnn into HTTP status nnn and passes detail and hint on unchanged.
-- Raises a refusal: SQLSTATE PT<http status>, the sentence as message, the stable code (docs/errors.md) as detail, what
-- to do as hint.
create function fairlane_core.refuse(p_http_status integer, p_code text, p_message text, p_hint text default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if p_hint is null then
    raise exception using errcode = 'PT' || p_http_status, message = p_message, detail = p_code;
  end if;
  raise exception using errcode = 'PT' || p_http_status, message = p_message, detail = p_code, hint = p_hint;
end;
$$;

-- An interrupted `create index concurrently` leaves an index that is maintained but never used, and the next `if not
-- exists` takes it for finished.
-- For migrations that build indexes concurrently: drops what an interrupted build has left on these tables.
create function fairlane_core.drop_unfinished_indexes(variadic p_tables regclass[])
returns void
language plpgsql
volatile
security invoker -- whoever may change the tables may drop their indexes
set search_path = ''
as $$
declare
  v_index regclass;
begin
  for v_index in
    select i.indexrelid
    from pg_catalog.pg_index as i
    where i.indrelid = any (p_tables)
      and not i.indisvalid
  loop
    perform fairlane_core.lock_tables(variadic p_tables);
    execute pg_catalog.format('drop index %s', v_index);
  end loop;
end;
$$;

-- A migration that changes a table needs it exclusively for a moment. While it waits, everybody else queues behind it,
-- and taking two tables one after the other can deadlock with claims that took them in the other order. So it takes all
-- of them at once or none, in attempts too short to be noticed.
-- For migrations: locks the tables for the transaction, all or none, without delaying any claim by a second. Raises
-- 55P03 when they were in use for about a minute.
create function fairlane_core.lock_tables(variadic p_tables regclass[])
returns void
language plpgsql
volatile
security invoker -- whoever may change the tables may lock them
set search_path = ''
as $$
declare
  v_tries constant integer := 100;
  v_lock_timeout text := pg_catalog.current_setting('lock_timeout');
  v_give_up_at timestamptz;
  v_table regclass;
begin
  for v_try in 1 .. v_tries loop
    begin
      -- One deadline for all tables together: others lack the tables already locked while we wait for the rest. The
      -- busier the tables are, the longer the attempts, but never long enough to delay a claim by a second.
      v_give_up_at := clock_timestamp() + least(50 + 10 * v_try, 800) * interval '1 millisecond';
      foreach v_table in array p_tables loop
        perform pg_catalog.set_config(
          'lock_timeout', greatest(1, ceil(1000 * extract(epoch from v_give_up_at - clock_timestamp()))) || 'ms', true
        );
        execute pg_catalog.format('lock table %s in access exclusive mode', v_table);
      end loop;
      perform pg_catalog.set_config('lock_timeout', v_lock_timeout, true);
      return;
    exception when lock_not_available or deadlock_detected then
      perform pg_catalog.pg_sleep(0.05 + 0.1 * pg_catalog.random());
    end;
  end loop;

  raise exception using
    errcode = 'lock_not_available',
    message = pg_catalog.format('Tables %s were in use all the time', pg_catalog.array_to_string(p_tables, ', ')),
    hint = 'End the long transaction that holds them (pg_stat_activity), then push again';
end;
$$;

-- How long to wait for somebody's open transaction is a setting, and each function takes a share of it: several waits
-- may follow each other, and for one row a caller may wait twice, behind other waiters and for the holder.
-- From here on the calling function waits for a lock at most this share of fairlane_core.settings.max_lock_wait. It
-- must have a lock_timeout of its own (set lock_timeout = ...), which restores the old value when it ends.
create function fairlane_core.limit_lock_waits(p_share numeric)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform set_config('lock_timeout', ceil(1000 * p_share * extract(epoch from s.max_lock_wait)) || 'ms', true)
  from fairlane_core.settings as s;
end;
$$;
