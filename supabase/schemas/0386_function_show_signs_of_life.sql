-- A worker that beats runs what it holds: its tasks move, so that no clean-up takes them for dead. Those that it named
-- itself have arrived there. A task that somebody is just changing is left: it moves anyway. No index knows these
-- columns, so that the rows change in place.
create function queue.show_signs_of_life(p_worker_id text, p_named uuid[], p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update public.tasks as t
  set updated_at = p_now,
    delivered_at = case when t.id = any (p_named) then coalesce(t.delivered_at, p_now) else t.delivered_at end,
    reported_at = case when t.id = any (p_named) then p_now else t.reported_at end
  from (
    select h.id
    from public.tasks as h
    where h.worker_id = p_worker_id
      and h.status = 'In Progress'
      and h.token_id is null
    order by h.id
    for no key update skip locked
  ) as held
  where t.id = held.id;
end;
$$;

comment on function queue.show_signs_of_life(text, uuid[], timestamptz) is
  'Moves updated_at of the tasks this worker runs with the service key, and delivered_at and reported_at of those among them that it named.';

revoke all on function queue.show_signs_of_life(text, uuid[], timestamptz) from public, anon, authenticated, service_role;
