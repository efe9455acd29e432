-- Ends that beats told of while another transaction held the worker's row. Whose row is still held waits for the next
-- rescue; who has given a sign of life since has not ended.
create function queue.apply_noted_ends()
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_noted record;
begin
  for v_noted in
    select distinct on (b.worker_id) b.worker_id, b.beat_at, b.status
    from queue.noted_beats as b
    where b.worker_id in (select n.worker_id from queue.noted_beats as n where n.status is not null and n.leases is null)
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
      perform queue.beat(v_noted.worker_id, v_noted.status, null, null, v_noted.beat_at);
    end if;
    update queue.noted_beats as b
    set status = null
    where b.worker_id = v_noted.worker_id
      and b.beat_at <= v_noted.beat_at
      and b.status is not null;
  end loop;
end;
$$;

comment on function queue.apply_noted_ends() is
  'Writes the ends in queue.noted_beats into the rows of their workers, by queue.beat, unless those are still held or the worker has given a later sign of life.';

revoke all on function queue.apply_noted_ends() from public, anon, authenticated, service_role;
