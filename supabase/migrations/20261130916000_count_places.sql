-- What: counts orchestration that needs a worker, and the limits, of the owners that are there already.
-- Why: the functions count from here on; what was there before them is not counted yet.
-- Back out: nothing to do.

-- A few owners at a time; their claims wait for a moment, nobody else's.
set lock_timeout = 0;
set statement_timeout = 0;

do $$
declare
  v_last uuid := '00000000-0000-0000-0000-000000000000';
  v_owners uuid[];
begin
  insert into queue.handovers (orchestrator_id, lease_token)
  select t.id, coalesce(t.lease_token, '00000000-0000-0000-0000-000000000000')
  from public.tasks as t
  where t.status = 'In Progress'
    and not t.takes_slot
    and queue.needs_no_worker(t)
  on conflict do nothing;
  commit;

  loop
    v_owners := array(
      select s.user_id from queue.user_slots as s where s.user_id > v_last order by s.user_id limit 200 for no key update
    );
    exit when cardinality(v_owners) = 0;
    v_last := v_owners[cardinality(v_owners)];

    update queue.user_slots as s
    set (orchestrating, orchestration_limit, remembered) = (
      select w.orchestrating, w.orchestration_limit, w.remembered
      from public.users as u
        cross join lateral queue.slots_of(
          u, s.running,
          coalesce(
            (
              select sum((not t.takes_slot and not queue.is_handed_over(t.id, t.lease_token))::integer)::integer
              from public.tasks as t
              where t.status = 'In Progress'
                and t.user_id = u.id
            ), 0
          ) + (
            select count(*)::integer
            from queue.held_slots as h
            where h.user_id = u.id
              and h.let_go_at is null
              and not h.takes_slot
          ),
          (select count(*)::integer from queue.held_slots as h where h.user_id = u.id and h.let_go_at is not null)
        ) as w
      where u.id = s.user_id
    )
    where s.user_id = any (v_owners);
    perform queue.refresh_lines(v_owners);
    commit;
  end loop;
end;
$$;
