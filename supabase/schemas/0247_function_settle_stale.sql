-- Tasks that are no longer stale since stale_after is longer, the next of them. What is asked again is not found again.
create function queue.settle_stale(p_work queue.deferred_work, p_limit integer)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_mine uuid[];
begin
  v_mine := array(
    select t.id
    from public.tasks as t
    where t.standing = 'stale'
      and t.created_at >= queue.now() - (select s.stale_after from queue.settings as s)
    order by t.created_at
    limit p_limit
    for no key update skip locked
  );
  perform queue.ask_standing_again(v_mine);
  if cardinality(v_mine) < p_limit and not exists (
    select
    from public.tasks as t
    where t.standing = 'stale'
      and t.created_at >= queue.now() - (select s.stale_after from queue.settings as s)
  ) then
    delete from queue.deferred_work as w where w.id = p_work.id;
  end if;
  return cardinality(v_mine);
end;
$$;

comment on function queue.settle_stale(queue.deferred_work, integer) is
  'Lets the next tasks go, up to p_limit, that a longer stale_after makes fresh again, and returns how many.';

revoke all on function queue.settle_stale(queue.deferred_work, integer) from public, anon, authenticated, service_role;
