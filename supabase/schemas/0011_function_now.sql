-- The only clock of the queue, so that a test can move every deadline at once.
-- Stable within a transaction, like now(): one snapshot, one time.
-- plpgsql, here and in the other small functions of the hot path: it keeps its plan between calls, while an SQL
-- function with a pinned search_path can neither be inlined nor keep one.
create function queue.now()
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return pg_catalog.now() + (select s.clock_offset from queue.settings as s);
end;
$$;

comment on function queue.now() is
  'The time every rule of the queue uses: the transaction''s clock plus queue.settings.clock_offset.';

revoke all on function queue.now() from public, anon, authenticated, service_role;
