-- A changed default limit, for the next users without a limit of their own, in the order of their ids. An owner whom
-- somebody serves comes when the others are through.
create function queue.settle_limits(p_work queue.deferred_work, p_limit integer)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_next uuid[];
  v_mine uuid[];
begin
  v_next := array(
    select s.user_id
    from queue.user_slots as s
    where s.user_id > coalesce(p_work.after_id, '00000000-0000-0000-0000-000000000000')
      and (p_work.only_id is null or s.user_id = p_work.only_id)
    order by s.user_id
    limit p_limit
  );
  v_mine := array(
    select s.user_id from queue.user_slots as s where s.user_id = any (v_next) order by s.user_id for no key update skip locked
  );
  if p_work.only_id is not null and cardinality(v_mine) < cardinality(v_next) then
    return null;
  end if;

  if cardinality(v_next) < p_limit or p_work.only_id is not null then
    delete from queue.deferred_work as w where w.id = p_work.id;
  else
    update queue.deferred_work as w set after_id = v_next[p_limit] where w.id = p_work.id;
  end if;
  insert into queue.deferred_work (kind, only_id, since)
  select 'limits', h.id, p_work.since
  from unnest(v_next) as h (id)
  where h.id <> all (v_mine);

  perform queue.apply_default_limit(v_mine);
  return cardinality(v_mine);
end;
$$;

comment on function queue.settle_limits(queue.deferred_work, integer) is
  'Gives the next users, up to p_limit, the default limit where they have none of their own, and returns how many it looked at; null when somebody holds the one that is left.';

revoke all on function queue.settle_limits(queue.deferred_work, integer) from public, anon, authenticated, service_role;
