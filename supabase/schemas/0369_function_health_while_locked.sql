-- What can be said while a table that health reads is locked: by whom.
create function queue.health_while_locked(p_caller jsonb)
returns json
language plpgsql
stable
security definer -- sees the sessions of others
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  perform queue.resolve_caller(p_caller, array['service']);
  return json_build_object(
    'status', 'degraded',
    'reasons', (
      select coalesce(
        json_agg(json_build_object('code', 'HELD_UP', 'message', h.message) order by h.since),
        '[{"code": "HELD_UP", "message": "A table of the queue was locked a moment ago"}]'
      )
      from queue.held_up(pg_catalog.now(), interval '0') as h
    ),
    'notices', '[]'::json,
    'checked_at', pg_catalog.now(),
    'database_started_at', pg_postmaster_start_time(),
    'jobs', '[]'::json
  );
end;
$$;

comment on function queue.health_while_locked(jsonb) is
  'The answer of health when it cannot read what it needs: HELD_UP, and which session holds it; no jobs.';

revoke all on function queue.health_while_locked(jsonb) from public, anon, authenticated, service_role;
grant execute on function queue.health_while_locked(jsonb) to service_role;
