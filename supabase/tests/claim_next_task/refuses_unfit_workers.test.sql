begin;
select plan(15);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 20) as owner \gset
select tests.create_task(:'owner') from generate_series(1, 12);
insert into public.workers (id, status, metadata) values
  ('gpu-terminating', 'terminating', '{}'), ('gpu-terminated', 'terminated', '{}'),
  ('gpu-error', 'error', '{"error_reason": "cuda died"}'), ('gpu-inactive', 'inactive', '{}'),
  ('gpu-spawning', 'spawning', '{}'), ('gpu-active', 'active', '{}'), ('gpu-crashed', 'crashed', '{}'),
  ('gpu-odd', 'out to lunch', '{}');
create function pg_temp.claim_as(p_worker_id text) returns text language sql as $$
  select tests.answer(format('public.claim_next_task(%L, %L) ->> ''attempt''', tests.service(), p_worker_id));
$$;

-- TEST: on its way out
select is(pg_temp.claim_as('gpu-terminating'), '409 WORKER_NOT_ELIGIBLE', 'A terminating worker gets nothing');
select is(pg_temp.claim_as('gpu-terminated'), '409 WORKER_NOT_ELIGIBLE', 'A terminated worker gets nothing');
select is(pg_temp.claim_as('gpu-error'), '409 WORKER_NOT_ELIGIBLE', 'A worker in error gets nothing');
select throws_like(
  format('select public.claim_next_task(%L, %L)', tests.service(), 'gpu-error'), '%error%cuda died%',
  'The refusal says the status and the reason'
);
select is((select count(*)::integer from public.tasks where attempts > 0), 0, 'A refused claim starts nothing');
select is(
  tests.answer(format('public.claim_next_task(%L, ''gpu-error'', p_dry_run => true)', tests.service())),
  '409 WORKER_NOT_ELIGIBLE', 'A dry run says the same'
);

-- TEST: everybody else
select is(pg_temp.claim_as('gpu-inactive'), '1', 'An inactive worker may claim');
select is(pg_temp.claim_as('gpu-spawning'), '1', 'A spawning worker may claim');
select is(pg_temp.claim_as('gpu-active'), '1', 'An active worker may claim');
select is(pg_temp.claim_as('gpu-crashed'), '1', 'A worker that came back after a crash may claim');
select is(pg_temp.claim_as('gpu-odd'), '1', 'A worker with a status nobody knows may claim');
select is(pg_temp.claim_as('gpu-nobody-knows'), '1', 'A worker that never announced itself may claim');

-- TEST: a status that changes counts at the next claim
update public.workers set status = 'error' where id = 'gpu-active';
select is(pg_temp.claim_as('gpu-active'), '409 WORKER_NOT_ELIGIBLE', 'A worker that went into error gets no more');

-- TEST: the fleet's names are not binding for users' own machines
select isnt(
  tests.claim('gpu-terminated', 'gpu', null, tests.with_token(:'owner')), null, 'A user''s own machine may share a name with a dead worker'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
