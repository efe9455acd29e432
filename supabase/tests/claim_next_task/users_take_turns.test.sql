begin;
select plan(9);

-- SETUP: Ana has a thousand old tasks, Ben one young task
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 1000) as ana \gset
select tests.create_user() as ben \gset
insert into public.tasks (task_type, project_id, created_at)
select 'clip', tests.create_project(:'ana'), fairlane_core.now() - interval '6 days'
from generate_series(1, 1000);
select tests.step_clock('1 minute');
select tests.create_task(:'ben') as ben_task \gset

-- TEST: behind a thousand, and served within one round
select is((tests.task(tests.claim('gpu-1'))).user_id, :'ana', 'claim_next_task() begins with who has waited longest');
select is(tests.claim('gpu-2'), :'ben_task', 'claim_next_task() then serves the user with one task behind a thousand');
select is((tests.task(tests.claim('gpu-3'))).user_id, :'ana', 'claim_next_task() goes on with the rest');

-- SETUP: one worker that completes what it claims, so that nobody ever has anything running between two claims
select tests.empty_queue();
select tests.create_user() as ana \gset
select tests.create_user() as ben \gset
select tests.create_user() as cleo \gset
select tests.create_task(:'ana', p_age => '1 day') from generate_series(1, 4);
select tests.create_task(:'ben', p_age => '1 hour') from generate_series(1, 4);
select tests.create_task(:'cleo') from generate_series(1, 4);

create function pg_temp.claim_and_complete() returns uuid language plpgsql as $$
declare
  v_task public.tasks := tests.task(tests.claim('gpu-only'));
begin
  perform public.complete_task(tests.service(), v_task.id, 'https://files/out.mp4');
  return v_task.user_id;
end;
$$;
create temporary table served (round integer, user_id uuid);
insert into served select (n - 1) / 3, pg_temp.claim_and_complete() from generate_series(1, 12) as n;

-- TEST: claim, complete, claim: the same number of running tasks does not mean the same user again
select is(
  array(select count(distinct s.user_id) from served as s group by s.round order by s.round),
  array[3, 3, 3, 3]::bigint[],
  'claim_next_task() serves each of three users once per round, also when each task ends before the next claim'
);

-- SETUP: Ana runs two tasks, Ben none, and Ana has waited longer
select tests.empty_queue();
select tests.create_user() as ana \gset
select tests.create_user() as ben \gset
select tests.create_task(:'ana', p_age => '1 day') from generate_series(1, 5);
select tests.claim('gpu-1'), tests.claim('gpu-2');
select tests.step_clock('1 hour');
select tests.create_task(:'ben') as ben_first \gset
select tests.step_clock('1 second');
select tests.create_task(:'ben') as ben_second \gset

-- TEST: fewest running comes before the longer wait
select is(tests.claim('gpu-3'), :'ben_first', 'claim_next_task() prefers the user with fewer tasks running');
select is(tests.claim('gpu-4'), :'ben_second', 'claim_next_task() goes on until both run as many');
select is((tests.task(tests.claim('gpu-5'))).user_id, :'ana', 'claim_next_task() then returns to the other user');

-- TEST: an owner's priority is no claim on other owners' turns
select tests.empty_queue();
select tests.create_user() as ana \gset
select tests.create_user() as ben \gset
select tests.create_task(:'ben') as ben_task \gset
select tests.step_clock('1 second');
select tests.create_task(:'ana', p_priority => 1000) from generate_series(1, 2);
select is(tests.claim('gpu-1'), :'ben_task', 'claim_next_task() counts priority within one owner only');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
