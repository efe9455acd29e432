begin;
select plan(14);

-- SETUP: a chain of two
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as owner \gset
select tests.create_task(:'owner') as first \gset
select tests.create_task(:'owner', p_dependant_on => :'first', p_priority => 9) as second \gset

-- TEST: pending until the dependency is complete
select is((tests.task(:'second')).readiness, 'dependency_pending', 'A task waits for its dependency');
select is(tests.claim_many(9), array[:'first'::uuid], 'claim_next_task() hands out the dependency only');
select is(tests.claim('gpu-1'), null, 'claim_next_task() does not hand out its dependent while it runs');
select public.complete_task(tests.service(), :'first', 'https://files/a.mp4');
select is(tests.claim('gpu-1'), :'second', 'claim_next_task() hands out the dependent when it is complete');

-- TEST: a requeued dependency blocks again (what follows from a bad end: tests of dependencies)
select tests.create_task_in('In Progress', :'owner') as requeue_lost \gset
select tests.create_task(:'owner', p_dependant_on => :'requeue_lost') as patient \gset
update public.tasks set status = 'Queued' where id = :'requeue_lost';
select is((tests.task(:'patient')).readiness, 'dependency_pending', 'A requeued dependency is not lost');
select is(tests.claim_many(9), array[:'requeue_lost'::uuid], 'claim_next_task() hands out the requeued one');

-- TEST: a dependency that is not there is lost until it comes; it may come later
select gen_random_uuid() as announced \gset
select tests.create_task(:'owner', p_dependant_on => :'announced') as early \gset
select is((tests.task(:'early')).readiness, 'dependency_lost', 'A dependency that does not exist is lost');
insert into public.tasks (id, task_type, project_id)
select :'announced', 'clip', t.project_id from public.tasks as t where t.id = :'early';
select is((tests.task(:'early')).readiness, 'dependency_pending', 'A dependency that comes later is waited for');
update public.tasks set status = 'Cancelled' where id = :'early';

-- TEST: a dependency that was complete before its dependent came
select tests.create_task(:'owner', p_dependant_on => :'first') as late \gset
select is((tests.task(:'late')).readiness, 'ready', 'A task whose dependency is complete is ready at once');

-- TEST: somebody else's task is no dependency
select tests.create_user() as stranger \gset
select tests.create_task_in('Complete', :'stranger') as foreign_task \gset
select tests.create_task(:'owner', p_dependant_on => :'foreign_task') as hopeful \gset
select is((tests.task(:'hopeful')).readiness, 'dependency_lost', 'Somebody else''s task counts as missing');

-- TEST: several dependencies: all must be complete
select tests.create_task_in('In Progress', :'owner') as left_one \gset
select tests.create_task_in('In Progress', :'owner') as right_one \gset
select tests.create_task(:'owner', p_dependant_on => :'left_one') as both \gset
select fairlane_core.depend_on(:'both', array[:'right_one', null, :'right_one']::uuid[]);
update public.tasks set status = 'Complete' where id = :'left_one';
select is((tests.task(:'both')).readiness, 'dependency_pending', 'One that is complete and one that is not: pending');
update public.tasks set status = 'Complete' where id = :'right_one';
select is((tests.task(:'both')).readiness, 'ready', 'Both complete: ready');

-- TEST: a task is not its own dependency
select throws_ok(
  format('insert into public.tasks (id, task_type, user_id, dependant_on) values (%1$L, ''test'', %2$L, %1$L)', gen_random_uuid(), :'owner'),
  'PT400', 'A task cannot depend on itself', 'A task that depends on itself is refused'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
