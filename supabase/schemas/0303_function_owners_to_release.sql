-- Whose due tasks a claim of the fleet releases: owners who may run one now. A task whose owner may run none waits for the
-- sweep, and no claim looks at it twice. However much is due, this stays one short look, or one step into an index for
-- each owner who has something waiting for a time.
create function queue.owners_to_release(p_pool text)
returns uuid[]
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_few constant integer := 100;
  v_now timestamptz := queue.now();
  v_due integer;
  v_owners uuid[];
begin
  select count(*), array_agg(distinct d.user_id) filter (where d.pool = p_pool and d.run_type = 'cloud')
  into v_due, v_owners
  from (
    select t.user_id, t.pool, t.run_type
    from public.tasks as t
    where t.standing = 'not_yet'
      and t.available_at <= v_now
    order by t.available_at
    limit v_few
  ) as d;

  if v_due < v_few then
    return array(
      select s.user_id from queue.user_slots as s where s.user_id = any (v_owners) and s.cloud_reason is null
    );
  end if;

  -- Many are due at once. Those who are due first may all belong to one owner, so owners are asked, in turn.
  return array(
    select s.user_id
    from queue.blocked_tasks as b
      join queue.user_slots as s on s.user_id = b.user_id
      left join queue.user_lines as l on l.user_id = b.user_id and l.pool = p_pool
    where b.pool = p_pool
      and b.reason = 'not_yet'
      and b.is_cloud
      and b.task_count > 0
      and s.cloud_reason is null
      -- In the order of the index that has it all: without an order another one may look as good to a planner.
      and (
        select true
        from public.tasks as t
        where t.user_id = b.user_id
          and t.pool = p_pool
          and t.run_type = 'cloud'
          and t.standing = 'not_yet'
          and t.available_at <= v_now
        order by t.priority desc, t.available_at
        limit 1
      )
    order by s.running + s.orchestrating + s.remembered, l.turn_at
    limit v_few
  );
end;
$$;

comment on function queue.owners_to_release(text) is
  'Up to 100 owners of due cloud tasks in the pool who could run one now, those whose turn it is first; empty when there are none.';

revoke all on function queue.owners_to_release(text) from public, anon, authenticated, service_role;
