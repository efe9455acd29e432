-- A sign of life of a time yet to come was given before the clock went back. Taken as it stands it would shield a dead
-- worker until then. A few seconds ahead is no such sign: it came while the caller's transaction was under way.
create function queue.seen_at(p_sign timestamptz, p_now timestamptz)
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if p_sign is null or p_sign <= p_now + interval '10 seconds' then
    return p_sign;
  end if;
  return coalesce(
    (select w.set_back_at from queue.clock_watch as w where w.set_back_until > p_now and w.set_back_at <= p_now),
    p_sign
  );
end;
$$;

comment on function queue.seen_at(timestamptz, timestamptz) is
  'When a sign of life (a beat, a report, a claim) was given: p_sign, or when the clock was found set back, if p_sign is of a time yet to come because of that. Null stays null.';

revoke all on function queue.seen_at(timestamptz, timestamptz) from public, anon, authenticated, service_role;
