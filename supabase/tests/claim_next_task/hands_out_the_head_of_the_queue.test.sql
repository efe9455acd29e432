begin;
select plan(7);

-- SETUP: four tasks of one owner; the youngest is urgent
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner', p_age => '1 hour') as young \gset
select tests.create_task(:'owner', p_age => '3 hours') as old \gset
select tests.create_task(:'owner', p_age => '2 hours', p_priority => -1) as unimportant \gset
select tests.create_task(:'owner', p_age => '1 minute', p_priority => 10) as urgent \gset

-- TEST: priority first, then age
select is(tests.claim('gpu-1'), :'urgent', 'claim_next_task() hands out the highest priority first');
select is(tests.claim('gpu-2'), :'old', 'claim_next_task() hands out the oldest of equal priority');
select is(tests.claim('gpu-3'), :'young', 'claim_next_task() hands out the next oldest');
select is(tests.claim('gpu-4'), :'unimportant', 'claim_next_task() hands out a low priority last, however old');
select is(tests.claim('gpu-5'), null, 'claim_next_task() answers null when nothing is left');

-- TEST: tasks of one priority and age have an order too, so that two looks agree
update public.users set max_in_progress = 10 where id = :'owner';
select tests.create_task(:'owner') from generate_series(1, 3);
select array_agg(t.id order by t.id) as equals from public.tasks as t where t.status = 'Queued' \gset
select is(tests.claim_many(3), :'equals'::uuid[], 'claim_next_task() orders equals by id');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
