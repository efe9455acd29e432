-- Tasks whose available_at has come, of users who could run one now: of each the most urgent first, and of each some, so
-- that neither a user with ten thousand nor an earlier time comes before a priority or a turn. Who is just being served
-- is passed over: nobody is waited for here.
create function queue.release_due_tasks(p_pool text, p_caller queue.caller)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_batch constant integer := 100;
  v_now timestamptz := queue.now();
  v_owners uuid[];
  v_due uuid[];
begin
  if p_caller.user_id is null then
    v_owners := queue.owners_to_release(p_pool);
  else
    v_owners := array(
      select s.user_id from queue.user_slots as s where s.user_id = p_caller.user_id and s.local_reason is null
    );
  end if;
  if cardinality(v_owners) = 0 then
    return 0;
  end if;

  v_owners := array(
    select s.user_id from queue.user_slots as s where s.user_id = any (v_owners) order by s.user_id for no key update skip locked
  );
  v_due := array(
    select d.id
    from unnest(v_owners) as o (user_id)
      cross join unnest(case when p_caller.user_id is null then array['cloud'] else array['cloud', 'local'] end) as y (run_type)
      cross join lateral (
        select t.id
        from public.tasks as t
        where t.user_id = o.user_id
          and t.pool = p_pool
          and t.run_type = y.run_type
          and t.standing = 'not_yet'
          and t.available_at <= v_now
        order by t.priority desc, t.available_at
        limit greatest(v_batch / cardinality(v_owners), 1)
        for no key update skip locked
      ) as d
  );
  if v_owners <> '{}' then
    v_due := v_due || array(
      select t.id
      from public.tasks as t
      where t.id = any (array(
          select d.id
          from queue.own_gpu_due(p_caller, p_pool, 1000) as d
          order by d.priority desc, d.available_at
          limit v_batch
        ))
        and coalesce(t.standing, '') = 'not_yet' -- not as an index has it, for these few
      for no key update skip locked
    );
  end if;

  if cardinality(v_due) > 0 then
    perform queue.ask_standing_again(v_due);
  end if;
  return cardinality(v_due);
end;
$$;

comment on function queue.release_due_tasks(text, queue.caller) is
  'Makes tasks ready whose available_at has come and whose owner could run one now: some 100, of up to 100 owners, of each the most urgent (for a token: the owner''s own); returns how many.';

revoke all on function queue.release_due_tasks(text, queue.caller) from public, anon, authenticated, service_role;
