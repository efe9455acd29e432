begin;
select plan(7);

-- SETUP
select tests.create_user() as owner \gset
select tests.with_token(:'owner') as token \gset

-- TEST
select is(tests.answer(format('public.worker_health(%L)', :'token')), '403 FORBIDDEN', 'The fleet is not a token''s business');
select is(tests.answer(format('public.note_refused_claim(%L, ''x'')', :'token')), '403 FORBIDDEN', 'Nor are refusals');
select tests.authenticate_as(:'owner');
select throws_ok(format('select public.worker_health(%L)', tests.service()), '42501', null, 'Nor a signed-in user''s');
select throws_ok('select * from public.orchestrator_status', '42501', null, 'Nor are its numbers');
select throws_ok('select * from public.active_workers_health', '42501', null, 'Nor its workers');
select tests.authenticate_as('anon');
select throws_ok('select * from public.orchestrator_status', '42501', null, 'anon sees neither');
select throws_ok('select * from public.active_workers_health', '42501', null, 'anon sees neither');
select tests.clear_authentication();

select * from finish();
rollback;
