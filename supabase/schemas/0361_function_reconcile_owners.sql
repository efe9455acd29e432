-- Mends the drift of these owners, one after the other under the owner's lock: under it the tasks can be counted without
-- anything moving. An owner that somebody serves is left for the next time: nobody waits for one owner while he holds
-- others.
create function queue.reconcile_owners(p_owners uuid[])
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
set plan_cache_mode = force_custom_plan -- one for any owner would read the tasks of all
set enable_seqscan = on -- the totals are those of every task
as $$
declare
  v_user_id uuid;
  v_turns jsonb;
  v_mended integer := 0;
begin
  foreach v_user_id in array p_owners loop
    if v_user_id is null then
      perform queue.recount_totals();
      v_mended := v_mended + 1;
      continue;
    end if;

    -- The lock; a row that is gone comes back first, closed, so that there is something to lock.
    insert into queue.user_slots (user_id, task_limit, has_credits, cloud_on, local_on)
    select u.id, 0, false, false, false from public.users as u where u.id = v_user_id
    on conflict do nothing;
    perform from queue.user_slots as s where s.user_id = v_user_id for no key update skip locked;
    continue when not found and exists (select from queue.user_slots as s where s.user_id = v_user_id);

    update queue.user_slots as s
    set running = w.running, task_limit = w.task_limit, has_credits = w.has_credits, cloud_on = w.cloud_on,
      local_on = w.local_on, settings_malformed = w.settings_malformed, cloud_reason = w.cloud_reason,
      local_reason = w.local_reason, orchestrating = w.orchestrating, orchestration_limit = w.orchestration_limit,
      remembered = w.remembered
    from public.users as u
      left join queue.recount_slots(v_user_id) as r on r.user_id = u.id
      cross join lateral queue.slots_of(
        u, coalesce(r.running, 0), coalesce(r.orchestrating, 0), coalesce(r.remembered, 0)
      ) as w
    where u.id = v_user_id
      and s.user_id = v_user_id;

    -- Whoever waits for a turn goes on waiting where they were.
    select coalesce(jsonb_object_agg(l.pool, l.turn_at), '{}')
    into v_turns
    from queue.user_lines as l
    where l.user_id = v_user_id;
    delete from queue.user_lines as l where l.user_id = v_user_id;
    insert into queue.user_lines
    select (r.c).*
    from (
      select jsonb_populate_record(c, jsonb_build_object('turn_at', coalesce(v_turns ->> c.pool, queue.now()::text))) as c
      from queue.recount(v_user_id) as c
    ) as r;

    delete from queue.blocked_tasks as b where b.user_id = v_user_id;
    insert into queue.blocked_tasks (user_id, pool, reason, is_cloud, task_count)
    select v_user_id, t.pool, t.standing, t.run_type is distinct from 'local', count(*)
    from public.tasks as t
    -- Not "is not distinct from", which no index serves: every owner would read what waits of all.
    where (t.user_id = v_user_id or (v_user_id = '00000000-0000-0000-0000-000000000000' and t.user_id is null))
      and t.standing not in ('ready', 'active')
    group by t.pool, t.standing, t.run_type is distinct from 'local';

    perform queue.reconcile_families(v_user_id);
    v_mended := v_mended + 1;
  end loop;
  return v_mended;
end;
$$;

comment on function queue.reconcile_owners(uuid[]) is
  'Counts again for these owners, whose counters have drifted (null: the totals), and returns how many it mended. The owners are locked until the transaction ends, and so are their claims.';

revoke all on function queue.reconcile_owners(uuid[]) from public, anon, authenticated, service_role;
