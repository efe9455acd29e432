begin;
select plan(5);

-- SETUP: a user whose own machine's work is first in line
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 10) as owner \gset
select tests.create_task(:'owner', p_age => '3 hours') as own \gset
update public.tasks set run_type = 'local' where id = :'own';
select tests.create_task(:'owner', p_age => '2 hours') as first \gset
select tests.create_task(:'owner', p_age => '1 hour') as second \gset

-- TEST: in the plain claim, and step by step: with a claim_id
select is(tests.claim('gpu-1'), :'first', 'claim_next_task() gives the fleet a cloud task though a local one is older');
select is(tests.claim('gpu-2', p_claim_id => 'a-claim-id'), :'second', 'So does a claim with a claim_id');
select is(tests.claim('gpu-3'), null, 'claim_next_task() has nothing for the fleet when only local tasks are left');
select is(tests.claim('gpu-4', p_claim_id => 'another-claim-id'), null, 'Nor has a claim with a claim_id');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
