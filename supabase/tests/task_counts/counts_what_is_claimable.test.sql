begin;
select plan(14);

-- SETUP: Ana has more than she may run at once, Ben less, Cleo nothing
select tests.empty_queue();
select tests.create_user() as ana \gset
select tests.create_user(p_max_in_progress => 2) as ben \gset
select tests.create_user() as cleo \gset
select tests.create_task(:'ana', p_age => '2 hours') from generate_series(1, 20);
select tests.create_task(:'ben', p_age => '1 hour');
select tests.claim('gpu-1'), tests.claim('gpu-2');
select tests.create_task(:'ben') from generate_series(1, 3);

-- TEST: the totals, each by its meaning: Ana may start 4 more, Ben 1 more; each runs one
select is(tests.counts() #> '{totals,queued_only}', '5', 'queued_only counts what claims could take now, limits applied');
select is(tests.counts() #> '{totals,eligible_queued}', '5', 'eligible_queued is the same');
select is(tests.counts() #> '{totals,active_only}', '2', 'active_only counts what runs');
select is(tests.counts() #> '{totals,queued_plus_active}', '7', 'queued_plus_active is their sum');
select is(tests.counts() -> 'count', '7', 'count is that sum');
select is(tests.counts() -> 'available_tasks', '7', 'available_tasks is that sum');
select is(tests.counts() -> 'queued_plus_active', '7', 'queued_plus_active stands at the top too');
select is(
  tests.counts('gpu', false) #> '{totals,queued_plus_active}', '5', 'With include_active = false the sum leaves active tasks out'
);
select is(tests.counts('gpu', false) -> 'available_tasks', '5', 'And so does available_tasks');
select is(
  tests.counts('gpu', false) #> '{totals,active_only}', '2', 'active_only is said in either case'
);

-- TEST: a client that claims as often as the count says gets a task each time, and then none
select is(
  cardinality(tests.claim_many(99)), 5, 'Claims hand out exactly as many tasks as queued_only said'
);
select is(tests.claimable(), 0, 'Afterwards the count is 0');

-- TEST: nothing at all
select tests.empty_queue();
select is(
  tests.counts() -> 'totals', '{"queued_only": 0, "eligible_queued": 0, "active_only": 0, "queued_plus_active": 0, "potentially_claimable": 0, "blocked_by_capacity": 0, "blocked_by_deps": 0, "blocked_by_settings": 0}',
  'An empty queue counts 0'
);
select is(
  (select array_agg(jsonb_typeof(tests.counts() -> k)) from unnest('{users,recent_tasks,queued_tasks,active_tasks}'::text[]) as k),
  '{array,array,array,array}'::text[], 'An empty queue lists empty lists'
);

select * from finish();
rollback;
