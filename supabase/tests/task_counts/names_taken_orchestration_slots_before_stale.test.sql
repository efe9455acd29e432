begin;
select plan(10);

-- SETUP: Ana has one place of orchestration and it is taken; an old orchestrator of hers waits, and an old part
select tests.empty_queue();
create function pg_temp.reason(p_task_id uuid) returns text language sql as $$
  select tests.answer(format('public.explain_task(tests.service(), %L) ->> ''reason''', p_task_id));
$$;
select tests.create_user() as ana \gset
update public.users set max_orchestrating = 1 where id = :'ana';
select tests.create_task_in('In Progress', :'ana', 'film_orchestrator') as runs \gset
select tests.create_task(:'ana', 'film_orchestrator') as waits \gset
select tests.create_task(:'ana', 'clip') as part \gset
select tests.step_clock('8 days');

-- TEST: only time has passed
select is(tests.counts() -> 'blocked', '{"stale": 1, "user_at_limit": 1}', 'The orchestrator waits for a slot, the part is stale');
select is(pg_temp.reason(:'waits'), 'user_at_limit', 'And so says explain_task of the orchestrator');
select is(pg_temp.reason(:'part'), 'stale', 'And of the part');

-- TEST: the sweep has written it down
select fairlane_core.sweep();
select results_eq(
  format('select t.readiness from public.tasks as t where t.id in (%L, %L)', :'waits', :'part'),
  $$ values ('stale'), ('stale') $$, 'Both are stored as stale'
);
select is(tests.counts() -> 'blocked', '{"stale": 1, "user_at_limit": 1}', 'Counts say the same');
select is(pg_temp.reason(:'waits'), 'user_at_limit', 'And so does explain_task');
select is(tests.claim('gpu-1'), null, 'A claim gets neither');

select is(
  tests.answer($$ public.explain_worker(tests.service(), 'gpu-1') -> 'blocked' $$)::jsonb,
  '{"stale": 1, "user_at_limit": 1}', 'And explain_worker says why'
);

-- TEST: a place is free again
update public.users set max_orchestrating = 2 where id = :'ana';
select is(tests.counts() -> 'blocked', '{"stale": 2}', 'With a slot free both are stale');
select is(pg_temp.reason(:'waits'), 'stale', 'For explain_task as well');

select * from finish();
rollback;
