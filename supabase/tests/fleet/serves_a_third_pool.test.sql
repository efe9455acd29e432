begin;
select plan(25);

-- SETUP: a task in each of three pools, and room for two
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 2) as owner \gset
select tests.create_task(:'owner', 'banodoco_timeline_generate', p_age => '3 hours') as timeline \gset
select tests.create_task(:'owner', 'banodoco_render_timeline', p_age => '2 hours') as render \gset
select tests.create_task(:'owner', 'qwen_image', p_age => '4 hours') as api \gset
select tests.create_task(:'owner', 't2v', p_age => '4 hours') as gpu \gset
select is((tests.task(:'timeline')).pool, 'banodoco', 'Two types have a pool of their own');

-- TEST: counts, dry run and explain
select is(tests.claimable('banodoco'), 2, 'Its tasks are counted');
select is(tests.claimable(null), 2, 'All pools together keep to the one limit');
select is(tests.counts('banodoco') -> 'run_type', '"banodoco"', 'It is named');
select is(
  jsonb_path_query_array(tests.counts('banodoco'), '$.queued_tasks[*].task_id'), to_jsonb(array[:'timeline', :'render']::uuid[]),
  'What it gives out next is listed'
);
select is(
  tests.answer('public.claim_next_task(tests.service(), ''b-1'', ''banodoco'', null, false, null, true) #>> ''{task,task_id}'''),
  :'timeline', 'A dry run finds it'
);
select is(
  tests.answer('public.explain_worker(tests.service(), ''b-1'', ''banodoco'') ->> ''gets_work'''), 'true', 'explain knows its workers'
);
select is(tests.answer('public.explain_worker(tests.service(), ''b-1'', ''other'')'), '400 INVALID_ARGUMENT', 'And no other pool');
select is(tests.answer('public.task_counts(tests.service(), ''other'')'), '400 INVALID_ARGUMENT', 'Nor do counts');
select is(tests.answer('public.claim_next_task(tests.service(), ''b-1'', ''other'')'), '400 INVALID_ARGUMENT', 'Nor claims');

-- TEST: claims, and what they take from the other pools
select is(tests.claim('b-1', 'banodoco'), :'timeline', 'Its worker gets its task');
select is(tests.claimable('gpu'), 1, 'The limit is for all pools: one slot is left for gpu work');
select is(tests.claim('gpu-1', 'gpu'), :'gpu', 'gpu workers get theirs');
select is(tests.claim('b-1', 'banodoco'), null, 'Then the owner is at the limit, in every pool');
select is(tests.claim('api-worker-main', 'api'), null, 'In this one, too');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

-- TEST: paused, ended, requeued
select tests.finish_task(:'gpu');
update public.tasks set status = 'Complete' where id = :'gpu';
update fairlane_core.settings set paused_pools = '{banodoco}';
select is(tests.claim('b-1', 'banodoco'), null, 'It can be paused');
select is(tests.counts('banodoco') -> 'blocked', '{"pool_paused": 1}', 'Which is the reason why its tasks wait');
update fairlane_core.settings set paused_pools = '{}';
select is(tests.claim('b-1', 'banodoco'), :'render', 'And goes on: its worker may hold several');
select tests.step_clock('8 minutes');
select fairlane_core.rescue();
select is(tests.status(:'render'), 'Queued', 'A worker that is silent as long as an api worker may be loses its task');
select fairlane_core.sweep();
select is_empty('select * from tests.drift()', 'The counters are what a recount says in the end');

-- TEST: a machine of the owner gets images for gpu, and none for this pool
select tests.empty_queue();
select tests.create_user() as ana \gset
select tests.with_token(:'ana') as token \gset
select tests.create_task(:'ana', 'draw_image') as image \gset
select is(tests.claim('mac', 'gpu', 'claim-1', :'token'), :'image', 'A claim with an id gets an image');
select is(
  tests.answer(format('public.claim_next_task(%L, ''mac'', ''banodoco'', ''claim-1'')', :'token')), '409 CLAIM_ID_USED',
  'But not again for a pool that it is not of'
);
select tests.answer('public.set_task_type(''draw_image'', ''{"pool": "banodoco"}'')');
select is((tests.task(:'image')).runs_on_own_gpu, true, 'While it runs it stays what it was handed out as, also when its type goes to this pool');
update public.tasks set status = 'Queued', error_message = 'Reset - of a test' where id = :'image';
select is((tests.task(:'image')).runs_on_own_gpu, true, 'Put back it is marked as its type is');

select * from finish();
rollback;
