-- What time alone frees: slots whose holders have ended or fallen silent, or that have been held for as long as may be;
-- and starts that count for no turn any more. Passes over what somebody is just changing.
create function queue.free_held_slots(p_limit integer)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_settings queue.settings;
  v_trusted_since timestamptz := (select least(w.trusted_since, v_now) from queue.clock_watch as w);
  v_held record;
  v_count integer := 0;
begin
  if not exists (select from queue.held_slots) then
    return 0;
  end if;
  select s.* into v_settings from queue.settings as s;

  for v_held in
    select h.id, least(h.held_until, v_now) as ended_at
    from queue.held_slots as h
      left join public.workers as w on w.id = h.worker_id and h.token_id is null
    where h.let_go_at is null
      and (
        h.held_until <= v_now
        or w.status in ('terminated', 'error', 'crashed')
        or (
          h.token_id is null
          and greatest(h.held_since, queue.seen_at(w.last_heartbeat, v_now), v_trusted_since)
            < v_now - case h.pool when 'gpu' then v_settings.gpu_silence_limit else v_settings.api_silence_limit end
        )
      )
    order by h.user_id, h.id
    limit p_limit
  loop
    v_count := v_count + queue.let_go(v_held.id, v_held.ended_at)::integer;
  end loop;

  for v_held in
    with forgotten as (
      delete from queue.held_slots as h
      where h.id in (
        select d.id
        from queue.held_slots as d
          join queue.user_slots as s on s.user_id = d.user_id
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
    perform queue.move_slots(v_held.user_id, 0, 0, -v_held.starts);
  end loop;
  return v_count;
end;
$$;

comment on function queue.free_held_slots(integer) is
  'Frees up to p_limit held slots whose holders have ended, are silent or have had held_slot_limit, forgets what has counted for a turn for as long, and returns how many it freed.';

revoke all on function queue.free_held_slots(integer) from public, anon, authenticated, service_role;
