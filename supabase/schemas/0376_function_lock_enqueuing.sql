-- Requests of one owner are looked at one after the other: of the same id or key sent twice at once the second finds
-- the first. Taken before any row, in one order, by nobody else; so it cannot close a circle of waits.
create function queue.lock_enqueuing(p_requests queue.task_request[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock(l.key)
  from (
    select distinct hashtextextended('enqueue:' || r.owner_id, 0) as key
    from unnest(p_requests) as r
    where r.owner_id is not null
    order by 1
  ) as l;
end;
$$;

comment on function queue.lock_enqueuing(queue.task_request[]) is
  'Keeps other requests of the same owners waiting until this transaction ends.';

revoke all on function queue.lock_enqueuing(queue.task_request[]) from public, anon, authenticated, service_role;
