begin;
select plan(4);

-- SETUP: users of every kind with work in one pool or both, some of it due, some grown stale
select tests.empty_queue();
create temporary table owners as
select tests.create_user(p_max_in_progress => n % 4, p_credits => (n % 5 > 0)::integer,
  p_settings => tests.switched('cloud', to_jsonb(n % 7 > 0))) as id, n
from generate_series(1, 60) as n;
select tests.create_task(o.id, t.task_type, p_age => case when o.n % 11 = 0 then interval '6 days' else '0' end)
from owners as o, unnest('{clip,clip,edit_image,film_orchestrator}'::text[]) with ordinality as t (task_type, k)
where (o.n + t.k) % 3 > 0;
update public.tasks as t set available_at = fairlane_core.now() + interval '1 hour' from owners as o where o.id = t.user_id and o.n % 6 = 0;
update public.tasks as t set run_type = 'local' from owners as o where o.id = t.user_id and o.n % 8 = 0 and t.task_type = 'clip';
select tests.claim_many(9), tests.claim_many(5, 'api');

-- What the sums say and what the users looked at one by one add up to.
create function pg_temp.summed(p_pool text) returns integer[] language sql as $$
  select array[s.claimable, s.owners, s.active, s.active_orchestration, s.active_elsewhere, s.user_at_limit, s.no_credits, s.cloud_disabled]
  from fairlane_core.load_summary(('service', null, null)::fairlane_core.caller, p_pool) as s;
$$;
create function pg_temp.one_by_one(p_pool text) returns integer[] language sql as $$
  select array[
    sum(u.claimable), count(*) filter (where u.claimable > 0), sum(u.active), sum(u.active_orchestration), sum(u.active_elsewhere),
    sum(u.ready - u.claimable) filter (where coalesce(u.reason, 'user_at_limit') = 'user_at_limit'),
    sum(u.ready) filter (where u.reason = 'no_credits'), sum(u.ready) filter (where u.reason = 'cloud_disabled')
  ]::integer[]
  from fairlane_core.user_load(
    ('service', null, null)::fairlane_core.caller, p_pool, array(select o.id from owners as o), array(select t from fairlane_core.due_readiness_changes(null) as t)
  ) as u;
$$;

-- TEST: the same, while the counters are right by themselves and when time has overtaken some
select is(pg_temp.summed('gpu'), pg_temp.one_by_one('gpu'), 'The lines of a pool add up to what its users have');
select is(pg_temp.summed(null), pg_temp.one_by_one(null), 'Also over both pools, where two lines share a limit');
select tests.step_clock('1 day 1 hour');
select is(pg_temp.summed('gpu'), pg_temp.one_by_one('gpu'), 'Also when tasks have become due and others stale');
select is(pg_temp.summed(null), pg_temp.one_by_one(null), 'And over both pools then');

select * from finish();
rollback;
