-- What clients send and this queue does not use: counted, so that nothing is dropped silently; health tells it.

-- Writes down what an instance of an endpoint has counted. The names come from clients, so there is a bound on how many
-- are kept; a name that is old makes room after thirty days.
-- See public.note_unused_fields.
create function queue.note_unused_fields(p_caller jsonb, p_endpoint text, p_counts jsonb)
returns void
language plpgsql
volatile
security definer -- the table is read by others, never written
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_now timestamptz := queue.now();
  v_kept_for constant interval := interval '30 days';
  v_most constant integer := 500;
begin
  perform queue.resolve_caller(p_caller, array['service']);

  delete from queue.unused_fields as u
  where u.last_at < v_now - v_kept_for;

  insert into queue.unused_fields as u (endpoint, field, calls, first_at, last_at)
  select p_endpoint, c.key, c.value::bigint, v_now, v_now
  from jsonb_each_text(p_counts) as c
  where length(c.key) <= 63
    and c.value ~ '^[0-9]{1,9}$'
    and (
      exists (select from queue.unused_fields as k where k.endpoint = p_endpoint and k.field = c.key)
      or (select count(*) from queue.unused_fields) < v_most
    )
  order by c.key -- two instances lock in one order
  limit 50
  on conflict (endpoint, field) do update
    set calls = u.calls + excluded.calls, last_at = greatest(u.last_at, excluded.last_at);
end;
$$;

-- What a plain write sends for a column and does not get stored. A function counts what it got for nothing and writes that
-- down once a minute; here there is nobody to count, so it is what came in as many minutes. One transaction at a time
-- writes, and nobody waits for it.
create function queue.note_unused_column(p_table text, p_column text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_before timestamptz := v_now - interval '1 minute';
begin
  if exists (
      select from queue.unused_fields as u where u.endpoint = p_table and u.field = p_column and u.last_at > v_before
    )
    or not pg_try_advisory_xact_lock(hashtextextended('queue.unused_fields:' || p_table || ':' || p_column, 0)) then
    return;
  end if;
  insert into queue.unused_fields as u (endpoint, field, calls, first_at, last_at)
  values (p_table, p_column, 1, v_now, v_now)
  on conflict (endpoint, field) do update
    set calls = u.calls + 1, last_at = excluded.last_at
    where u.last_at <= v_before;
end;
$$;
