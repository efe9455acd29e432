begin;
select plan(23);

-- SETUP: rows from before params had bounds
select tests.empty_queue();
select tests.create_user() as ana \gset
select tests.create_user() as ben \gset
create function pg_temp.from_before(p_owner uuid, p_params jsonb, p_age interval default '1 hour', p_priority integer default 0)
returns uuid language plpgsql as $$
declare
  v_id uuid := tests.create_task(p_owner, p_age => p_age, p_priority => p_priority);
begin
  alter table public.tasks disable trigger tasks_before_update;
  update public.tasks set params = p_params, has_bounded_params = false where id = v_id;
  alter table public.tasks enable trigger tasks_before_update;
  return v_id;
end;
$$;
create temporary view bomb as
select jsonb_build_object('a', jsonb_agg(1e131071::numeric)) as params from generate_series(1, 300);
create function pg_temp.dry_run() returns json language sql as $$
  select public.claim_next_task(tests.service(), 'gpu-dry', 'gpu', null, false, null, true)
$$;

-- TEST: the head of a line that cannot be written out ends, and the claim looks on
select pg_temp.from_before(:'ana', b.params) as bomb from bomb as b \gset
select tests.create_task(:'ana') as next \gset
select is(pg_temp.dry_run() #>> '{task,task_id}', :'next', 'A dry run shows what a claim would take');
select is(tests.claim('gpu-1'), :'next', 'The claim takes the next one');
select is((tests.task(:'bomb')).status, 'Failed', 'The head has ended');
select matches((tests.task(:'bomb')).error_message, 'too large to be handed out', 'With the reason');
select is((tests.task(:'bomb')).output_location, (tests.task(:'bomb')).error_message, 'Where deployed clients look, too');
select is((tests.task(:'bomb')).attempts, 0, 'It was never started');
select ok(length((tests.task(:'bomb')).params::text) < 100, 'What could not be written out is gone from the row');
select is(
  (select e.actor || ': ' || e.from_status || ' to ' || e.to_status from public.task_events as e where e.task_id = :'bomb' order by e.id desc limit 1),
  'queue: Queued to Failed', 'The history tells it'
);

-- TEST: other owners, tokens and workers with a model
select pg_temp.from_before(:'ana', b.params, '2 hours') as second from bomb as b \gset
select tests.create_task(:'ben') as bens \gset
select is(tests.claim('gpu-2'), :'bens', 'Another owner''s task is found behind it');
select is(tests.claim('gpu-2b'), null, 'When it is the turn of its owner, nothing is found');
select is((tests.task(:'second')).status, 'Failed', 'And it has ended');
select tests.with_token(:'ben') as token \gset
select pg_temp.from_before(:'ben', b.params, '2 hours') as third from bomb as b \gset
select tests.create_task(:'ben') as own \gset
select is(tests.claim('mac', p_caller => :'token'), :'own', 'A token''s claim looks on, too');
select is((tests.task(:'third')).status, 'Failed', 'It has ended');
insert into public.workers (id, status, current_model) values ('gpu-3', 'active', 'wan');
select pg_temp.from_before(:'ben', b.params, '2 hours') as fourth from bomb as b \gset
select tests.create_task(:'ben') as with_model \gset
select is(tests.claim('gpu-3'), :'with_model', 'So does that of a worker with a model');

-- TEST: what can still be handed out is
select pg_temp.from_before(:'ana', jsonb_build_object('a', repeat('x', 3000000)), '3 hours') as large \gset
select is(tests.claim('gpu-4'), :'large', 'Params of 3 MB from before are handed out');
select pg_temp.from_before(:'ana', jsonb_build_object('a', repeat('x', 8400000)), '3 hours') as larger \gset
select is(tests.claim('gpu-5'), null, 'Those of more than 8 MiB are not');
select is((tests.task(:'larger')).status, 'Failed', 'Their task has ended');

-- TEST: a line of nothing else does not hold a claim up for ever
select pg_temp.from_before(:'ana', b.params, '3 hours') from bomb as b, generate_series(1, 7) \g /dev/null
select tests.create_task(:'ben', p_age => '0') as last \gset
select is(tests.claim('gpu-6'), :'last', 'Others are served after a few');
select ok(
  (select count(*) from public.tasks as t where t.user_id = :'ana' and t.status = 'Queued') between 1 and 6, 'Which have ended'
);
select tests.claim('gpu-7') \g /dev/null
select is(
  (select count(*) from public.tasks as t where t.user_id = :'ana' and t.status = 'Queued'), 0::bigint, 'The next claim ends the rest'
);

-- TEST: reads of what has ended before
select pg_temp.from_before(:'ana', b.params) as done from bomb as b \gset
alter table public.tasks disable trigger tasks_before_update;
update public.tasks set status = 'Cancelled', readiness = null where id = :'done';
alter table public.tasks enable trigger tasks_before_update;
select ok(
  length(tests.answer(format('public.get_task_output(%L, %L)', tests.service(), :'done'))) < 1000, 'get_task_output leaves them out'
);
select ok(
  length(tests.answer(format('public.explain_task(%L, %L)', tests.service(), :'done'))) < 2000, 'explain_task never shows them'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
