begin;
select plan(7);

-- SETUP: 51 orphans: created in August, of two types, never started, from before user_id and run_type existed
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
select tests.create_task(
  :'owner', case when n % 2 = 0 then 'clip' else 'film' end, p_age => '65 days'
)
from generate_series(1, 51) as n;
update public.tasks set run_type = null;
update public.tasks set user_id = null, project_id = null
where id in (select t.id from public.tasks as t order by t.id limit 8);

-- TEST: the autoscaler's call
select is(tests.counts('gpu', false) #> '{totals,queued_only}', '0', 'The 51 are not claimable');
select is(tests.counts('gpu', false) -> 'available_tasks', '0', 'Nothing is available');
select is(tests.counts('gpu', false) -> 'count', '0', 'An autoscaler has nothing to scale for');
select is(
  tests.counts('gpu', false) -> 'blocked', '{"no_owner": 8, "no_run_type": 43}', 'And is told why, per reason'
);
select is((select count(*)::integer from public.tasks where status = 'Queued'), 51, 'The rows are still there');

-- TEST: a normal task beside them
select tests.create_task(:'owner') as sound \gset
select is(tests.claimable(), 1, 'A normal task beside them is counted');
select is(tests.claim_many(99), array[:'sound'::uuid], 'And claimed');

select * from finish();
rollback;
