-- Ready tasks of one user that have grown stale, a batch at a time. Call it under the user's lock.
create function queue.set_stale_tasks_aside(p_user_id uuid, p_pool text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_stale uuid[];
begin
  select array_agg(s.id)
  into v_stale
  from (
    select t.id
    from public.tasks as t
    where t.user_id = p_user_id
      and t.pool = p_pool
      and t.standing = 'ready'
      and queue.is_stale(greatest(t.created_at, t.available_at, t.released_at), t.attempts > 0 or t.claimed_at is not null, t.params)
    limit 500
    for no key update skip locked
  ) as s;

  if v_stale is not null then
    perform queue.ask_standing_again(v_stale);
  end if;
end;
$$;

comment on function queue.set_stale_tasks_aside(uuid, text) is
  'Up to 500 of the user''s ready tasks in the pool that have grown stale no longer stand ready.';

revoke all on function queue.set_stale_tasks_aside(uuid, text) from public, anon, authenticated, service_role;
