begin;
select plan(12);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
insert into public.workers (id, status, metadata) values ('gpu-1', 'active', '{"machine": "pod"}');
create function pg_temp.note(p_worker_id text, p_model text, p_caller jsonb default tests.service())
returns text language sql as $$
  select tests.answer(format('public.update_worker_model(%L, %L, %L) ->> ''current_model''', p_caller, p_worker_id, p_model));
$$;
create function pg_temp.worker() returns public.workers language sql as $$
  select w.* from public.workers as w where w.id = 'gpu-1';
$$;

-- TEST: it is noted
select is(pg_temp.note('gpu-1', 'wan'), 'wan', 'The reply names the model');
select is((pg_temp.worker()).current_model, 'wan', 'And the worker has it');
select is((pg_temp.worker()).metadata, '{"machine": "pod"}', 'Nothing else of the worker changes');
select is((pg_temp.worker()).last_heartbeat, null, 'It is no heartbeat');

-- TEST: saying it again writes nothing
select w.ctid as before from public.workers as w \gset
select is(pg_temp.note('gpu-1', 'wan'), 'wan', 'The same again is answered alike');
select is((select w.ctid::text from public.workers as w), :'before', 'And writes nothing');

-- TEST: claims heed it
select tests.create_task(:'owner', p_params => '{"model": "blue"}') \g /dev/null
select tests.create_task(:'owner', p_params => '{"model": "wan"}') as suits \gset
select is(tests.claim('gpu-1'), :'suits'::uuid, 'The next claim prefers a task of that model');

-- TEST: what is refused
select is(pg_temp.note('nobody', 'wan'), '404 WORKER_NOT_FOUND', 'An unknown worker is not found');
select is_empty($$ select from public.workers as w where w.id = 'nobody' $$, 'Nor is it created');
select is(pg_temp.note('gpu-1', ''), '400 INVALID_ARGUMENT', 'No model is refused');
select is(pg_temp.note('gpu-1', 'wan', tests.with_token(:'owner')), '403 FORBIDDEN', 'Only the service may say it');
select tests.authenticate_as(:'owner');
select throws_ok(
  $$ select public.update_worker_model('{"kind": "service"}', 'gpu-1', 'x') $$, '42501', null,
  'update_worker_model() is not for signed-in users directly'
);

select * from finish();
rollback;
