begin;
select plan(8);

-- SETUP: three orchestrators in front of two parts; room for two, and for three that orchestrate
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 2) as owner \gset
update public.users set max_orchestrating = 5 where id = :'owner';
select tests.create_task(:'owner', 'film_orchestrator', p_age => '2 hours') from generate_series(1, 3);
select tests.create_task(:'owner', 'clip', p_age => '1 hour') from generate_series(1, 3);

-- TEST: any number of them beside the slots
select is(tests.claimable(), 5, 'task_counts() counts every orchestrator and as many parts as there are slots');
select is(cardinality(tests.claim_many(9)), 5, 'claim_next_task() hands out three orchestrators and two parts');

-- TEST: but none while every slot is taken
select tests.create_task(:'owner', 'montage_orchestrator') as waiting \gset
select is(tests.claim('gpu-9'), null, 'claim_next_task() starts no orchestrator for a user at the limit');
select is(tests.claimable(), 0, 'task_counts() agrees');
select public.complete_task(tests.service(), t.id, 'https://files/a.mp4')
from public.tasks as t where t.status = 'In Progress' and t.task_type = 'clip' limit 1;
select tests.create_task(:'owner', 'montage_orchestrator', p_priority => 1) as urgent \gset
select is(tests.claim('gpu-9'), :'urgent', 'claim_next_task() starts one as soon as a slot is free');
select isnt(tests.claim('gpu-9'), null, 'A worker that runs an orchestrator may claim a task beside it');

-- TEST: a limit of 0 holds orchestrators back too
select tests.create_user(p_max_in_progress => 0) as blocked \gset
update public.tasks set status = 'Cancelled' where status in ('Queued', 'In Progress');
select tests.create_task(:'blocked', 'film_orchestrator');
select is(tests.claim('gpu-9'), null, 'claim_next_task() starts no orchestrator at a limit of 0');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
