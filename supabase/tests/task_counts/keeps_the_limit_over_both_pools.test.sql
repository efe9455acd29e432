begin;
select plan(12);

-- SETUP: room for three; two tasks for gpu workers, four for api workers
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 3) as owner \gset
select tests.create_task(:'owner', 'clip') from generate_series(1, 2);
select tests.create_task(:'owner', 'edit_image') from generate_series(1, 4);
select tests.create_task(:'owner', 'process');

-- TEST: each pool, and both together
select is(tests.claimable('gpu'), 3, 'The gpu pool counts gpu tasks and unknown types');
select is(tests.claimable('api'), 3, 'The api pool counts api tasks up to the limit');
select is(tests.claimable(null), 3, 'Both pools together keep to the one limit');
select is(tests.counts(null) -> 'run_type', 'null', 'Both pools are named null');
select is(tests.counts('api') -> 'run_type', '"api"', 'One pool is named');

-- TEST: what runs in one pool takes from the other
select tests.claim_many(2, 'api');
select is(tests.claimable('gpu'), 1, 'What runs in the api pool leaves less for the gpu pool');
select is(tests.counts('gpu') #> '{totals,active_only}', '0', 'But is no gpu work');
select is(tests.counts('api') #> '{totals,active_only}', '2', 'It is active api work');
select is(tests.counts(null) #> '{totals,active_only}', '2', 'And active work in all');
select is(
  tests.counts('gpu') #> '{users,0,in_progress_tasks}', '2', 'The user''s own queue says what runs in all pools'
);

-- TEST: an orchestrator runs beside the limit but is neither a slot nor workload
select tests.create_task(:'owner', 'film_orchestrator', p_priority => 1);
select tests.claim('gpu-1');
select is(tests.counts('gpu') #> '{totals,active_only}', '0', 'A running orchestrator is not counted as active work');
select is(
  tests.counts('gpu') #> '{global_task_breakdown,orchestrator_tasks}', '1', 'It is counted as a running orchestrator'
);

select * from finish();
rollback;
