begin;
select plan(8);

-- SETUP: types without a row, whose names end in _orchestrator
select tests.empty_queue();
-- Keeps the scheduled sweep out until the end of the test.
lock table fairlane_core.minute_samples in share row exclusive mode;
delete from fairlane_core.minute_samples;
delete from fairlane_core.unknown_types;
select tests.create_user() as ana \gset
update public.users set max_orchestrating = 1 where id = :'ana';
create function pg_temp.reason(p_task_id uuid) returns text language sql as $$
  select tests.answer(format('public.explain_task(tests.service(), %L) ->> ''reason''', p_task_id));
$$;

-- TEST: one that is set without a word of what it is
select is(
  tests.answer('public.set_task_type(''opera_orchestrator'')')::jsonb #>> '{type,category}', 'orchestration', 'Orchestration, if it is named so'
);

-- TEST: in the list of those without a row
select tests.create_task(:'ana', 'score_orchestrator') as listed \gset
select tests.step_clock('1 minute');
select fairlane_core.sweep();
select tests.step_clock('1 minute');
select fairlane_core.sweep();
select is(
  tests.answer('public.unknown_task_types()')::jsonb #>> '{types,0,taken_for,category}', 'orchestration', 'It is listed as what it was taken for'
);
delete from public.tasks where id = :'listed';

-- TEST: no list has the name of its type: it is enqueued with an old date, as an import does, and no place is free
select tests.create_task_in('In Progress', :'ana', 'film_orchestrator') as runs \gset
select tests.create_task(:'ana', 'unheard_of_orchestrator') as imported \gset
update public.tasks set created_at = fairlane_core.now() - interval '8 days' where id = :'imported';
select fairlane_core.recompute_readiness(array[:'imported'::uuid]);
select is((select t.readiness from public.tasks as t where t.id = :'imported'), 'stale', 'It is stored as stale');
select is_empty($$ select from fairlane_core.unknown_types where name = 'unheard_of_orchestrator' $$, 'No sweep has noted its type');
select is(pg_temp.reason(:'imported'), 'user_at_limit', 'It waits for a slot, explain_task says');
select is(tests.counts() -> 'blocked', '{"user_at_limit": 1}', 'And so do counts');
select is(
  tests.answer($$ public.explain_worker(tests.service(), 'gpu-1') -> 'blocked' $$)::jsonb, '{"user_at_limit": 1}', 'And explain_worker'
);
update public.users set max_orchestrating = 2 where id = :'ana';
select is(tests.counts() -> 'blocked', '{"stale": 1}', 'With a slot free it is stale');

select * from finish();
rollback;
