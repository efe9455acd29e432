begin;
select plan(10);

-- SETUP: one task for each pool, one of a type that nobody knows
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 10) as owner \gset
select tests.create_task(:'owner', 'sharpen', p_age => '3 hours') as unknown \gset
select tests.create_task(:'owner', 'edit_image', p_age => '2 hours') as api \gset
select tests.create_task(:'owner', 'montage', p_age => '1 hour') as gpu \gset

-- TEST: each pool gets its own
select is(tests.claim('api-worker-main', 'api'), :'api', 'claim_next_task() gives api workers api tasks');
select is(tests.claim('api-worker-main', 'api'), null, 'claim_next_task() gives api workers nothing else');
select is(tests.claim('gpu-1', 'gpu'), :'unknown', 'claim_next_task() counts an unknown type as gpu');
select is(tests.claim('gpu-2', null), :'gpu', 'claim_next_task() means gpu when no pool is named');

-- TEST: a type that moves takes its waiting tasks with it
select tests.create_task(:'owner', 'sharpen') as moved \gset
insert into public.task_types (name, run_type) values ('sharpen', 'api');
select is(tests.claim('gpu-3', 'gpu'), null, 'A type that became api is no gpu work any more');
select is(tests.claim('api-worker-main', 'api'), :'moved', 'A type that became api is api work');

-- TEST: switched off and on again
select tests.create_task(:'owner', 'montage') as held \gset
update public.task_types set is_active = false where name = 'montage';
select is(tests.claim('gpu-3'), null, 'claim_next_task() hands out nothing of a type that is switched off');
update public.task_types set is_active = true where name = 'montage';
select is(tests.claim('gpu-3'), :'held', 'claim_next_task() hands it out when the type is on again');

-- TEST: api workers hold as many as they ask for
select tests.create_task(:'owner', 'edit_image');
select isnt(tests.claim('api-worker-main', 'api'), null, 'An api worker may hold several tasks');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
