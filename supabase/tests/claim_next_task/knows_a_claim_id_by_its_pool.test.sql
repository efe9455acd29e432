begin;
select plan(4);

-- SETUP: one task of each pool
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner') as gpu_task \gset
select tests.create_task(:'owner', 'edit_image') as api_task \gset

-- TEST
select is(tests.claim('worker-1', 'gpu', 'claim-1'), :'gpu_task', 'A claim of gpu work is answered');
select is(
  tests.answer('public.claim_next_task(tests.service(), ''worker-1'', ''api'', ''claim-1'')'), '409 CLAIM_ID_USED',
  'Its claim_id is no name for a claim of api work'
);
select is(tests.claim('worker-1', 'gpu', 'claim-1'), :'gpu_task', 'The claim itself is still repeatable');
select is(tests.claim('worker-1', 'api', 'claim-2'), :'api_task', 'Another claim_id gets the api task');

select * from finish();
rollback;
