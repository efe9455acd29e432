begin;
select plan(11);

-- SETUP: a user with room for one orchestrator at a time
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 1) as ana \gset
select tests.create_task(:'ana', 'film_orchestrator') from generate_series(1, 4);

-- TEST: who has said that nothing is left to do, and has no children, gives the place back
select tests.claim('gpu-1') as idempotent \gset
select is(tests.claim('gpu-2'), null, 'While an orchestrator is at work nobody gets the next');
select public.update_task_status(tests.service(), :'idempotent', 'In Progress', '[IDEMPOTENT] nothing left to do');
select is((tests.task(:'idempotent')).status, 'In Progress', 'It goes on, for nobody judges it by children that it has not');
select isnt(tests.claim('gpu-2'), null, 'But the next one of its owner is handed out');

-- TEST: so does who asks for another task when it has named the one it had, or shows that it had it
select is(tests.claim('gpu-3'), null, 'That one is at work');
select id as unheard_of from public.tasks where worker_id = 'gpu-2' \gset
select is(tests.claim('gpu-2'), :'unheard_of', 'A worker that never named it gets it again: the reply was lost');
select is(tests.claim('gpu-3'), null, 'And keeps the slot');
update public.tasks set claimed_at = fairlane_core.now() - interval '1 second' where id = :'unheard_of';
select tests.create_child(:'unheard_of', 'part', 0) as child \gset
select tests.finish_task(:'child');
select tests.claim('gpu-2') as next \gset
select isnt(:'next'::uuid, :'unheard_of'::uuid, 'A worker that has enqueued a child and claims orchestrates nothing any more: it gets the next');
select is_empty('select * from fairlane_core.drift()', 'The counters are what the tasks add up to');

-- TEST: but not one whose name several share, or that runs more than one at a time
update fairlane_core.settings set gpu_tasks_per_worker = 2;
select is(tests.claim('gpu-2'), null, 'One that may run two at a time may still be at work');

-- TEST: a new start takes a place again
update fairlane_core.settings set gpu_tasks_per_worker = 1;
update public.tasks set status = 'Queued' where id = :'idempotent';
select is(
  (select orchestrating from fairlane_core.user_slots where user_id = :'ana'), 1, 'Requeued it needs none, and the last one has the slot'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
