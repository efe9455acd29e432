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

comment on function queue.note_unused_column(text, text) is
  'Counts in queue.unused_fields that writes to this table sent this column for nothing, at most once a minute.';

revoke all on function queue.note_unused_column(text, text) from public, anon, authenticated, service_role;
