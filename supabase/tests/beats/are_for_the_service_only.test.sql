begin;
select plan(8);

-- SETUP
select tests.create_user() as owner \gset

-- TEST: who may not beat
select tests.authenticate_as('anon');
select throws_ok(
  $$ select public.func_worker_heartbeat_with_logs('{"worker_id_param": "gpu-1"}') $$, '42501', null, 'A beat is not for anon'
);
select throws_ok(
  $$ select public.func_update_worker_heartbeat('{"worker_id_param": "gpu-1"}') $$, '42501', null, 'Nor is one without logs'
);
select throws_ok($$ select public.func_insert_logs_batch('{"logs": []}') $$, '42501', null, 'Nor are logs');
select tests.authenticate_as(:'owner');
select throws_ok(
  $$ select public.func_worker_heartbeat_with_logs('{"worker_id_param": "gpu-1"}') $$, '42501', null, 'A beat is not for signed-in users'
);
select throws_ok(
  $$ select queue.worker_heartbeat('{"worker_id_param": "gpu-1"}') $$, '42501', null, 'Nor is the function behind it'
);
select tests.clear_authentication();

-- TEST: a beat of nobody
select is(
  tests.answer('public.func_worker_heartbeat_with_logs(''{"vram_total_mb_param": 1}'')'), '400 INVALID_ARGUMENT',
  'A beat without a worker id is refused'
);
select is(
  tests.answer(format('public.func_worker_heartbeat_with_logs(''{"worker_id_param": "%s"}'')', repeat('x', 201))), '400 INVALID_ARGUMENT',
  'So is one with an id that fits no index'
);
select is(
  tests.answer('public.func_worker_heartbeat_with_logs(''["gpu-1"]'')'), '400 INVALID_ARGUMENT', 'And a body that is no object'
);

select * from finish();
rollback;
