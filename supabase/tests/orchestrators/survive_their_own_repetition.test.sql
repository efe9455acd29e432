begin;
select plan(34);

-- SETUP: a chain of two parts and a whole; the first is done, the second runs
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as owner \gset
select tests.create_orchestrator(:'owner', 2) as film \gset
select tests.create_child(:'film', 'part', 0) as first \gset
select tests.create_child(:'film', 'part', 1, :'first') as second \gset
select tests.create_child(:'film', 'final', null, :'second') as whole \gset
select tests.finish_task(:'first');
select tests.start(:'second');

-- TEST: the orchestrator runs again and enqueues all of them under new ids
select tests.create_child(:'film', 'part', 0) as first_again \gset
select is(tests.status(:'first_again'), 'Complete', 'A part that is done is Complete at once');
select is((tests.task(:'first_again')).output_location, 'https://files/' || :'first', 'With the output that is there');
select is((tests.task(:'first_again')).thumbnail_url, 'https://thumbs/' || :'first', 'And its thumbnail');
select is((tests.task(:'first_again')).generation_created, false, 'It has no result record');
select is((select count(*) from public.generations), 1::bigint, 'There is one for both');
select is(fairlane_core.repair_generations(10, false, null) ->> 'missing', '0', 'And nothing to repair');
select is(tests.status(:'first'), 'Complete', 'The first one is as it was');

select tests.create_child(:'film', 'part', 1, :'first_again') as second_again \gset
select is(tests.status(:'second'), 'Cancelled', 'A part that is not done is cancelled');
select is((tests.task(:'second')).error_message, 'replaced by ' || :'second_again', 'And says for whom');
select is((tests.task(:'second_again')).readiness, 'ready', 'The new one is ready');
select is((tests.task(:'whole')).dependant_on, :'second_again'::uuid, 'Whoever waited for the old one waits for the new one');
select is((tests.task(:'whole')).readiness, 'dependency_pending', 'And is not lost');
select is(tests.status(:'film'), 'In Progress', 'The orchestrator does not mind');

select tests.create_child(:'film', 'final', null, :'second_again') as whole_again \gset
select is(tests.status(:'whole'), 'Cancelled', 'There is one whole');
select is(tests.finish_task(:'second_again'), 'Complete', 'The new one completes');
select is(tests.finish_task(:'second'), 'Cancelled', 'The old one''s worker comes late');
select tests.finish_task(:'whole_again');
select is(tests.status(:'film'), 'Complete', 'The orchestrator completes');
select is((tests.task(:'film')).output_location, 'https://files/' || :'whole_again', 'With the whole that ran');
select is((select count(*) from public.generations), 3::bigint, 'And each part has one result record');

-- TEST: after the end everything is Complete at once
select tests.create_child(:'film', 'part', 1) as third_time \gset
select is(tests.status(:'third_time'), 'Complete', 'A repetition after the end has nothing to do');

-- TEST: a failed part that is enqueued again before the orchestrator is judged
select tests.create_orchestrator(:'owner', 3, 'montage_orchestrator') as joins \gset
select tests.create_child(:'joins', 'merge', 0) as broken \gset
select tests.fail_child(:'broken');
select tests.create_child(:'joins', 'merge', 0) as mended \gset
select is(tests.status(:'broken'), 'Failed', 'What failed stays Failed');
select tests.create_child(:'joins', 'merge', 1) as other_join \gset
select is(tests.status(:'joins'), 'In Progress', 'But counts no more');
select tests.finish_task(:'mended');
select tests.finish_task(:'other_join');
select is(tests.status(:'joins'), 'Complete', 'The family completes');

-- TEST: what is no repetition
select tests.create_orchestrator(:'owner') as other \gset
select tests.create_child(:'other', 'part', 0) as part_zero \gset
select tests.create_child(:'other', 'merge', 0) as join_zero \gset
select tests.create_child(:'other', 'process') as plain_one \gset
select tests.create_child(:'other', 'process') as plain_two \gset
select tests.create_child(:'other', 'part', 0, :'part_zero') as successor \gset
select is(
  (select count(*) from public.tasks as t where t.params ->> fairlane_core.parent_key() = :'other' and t.status = 'Queued'), 5::bigint,
  'Another type, no index, or a task that waits for the first one: all of them go on'
);

-- TEST: a client deletes the duplicate that counts: the one it had replaced goes on
select tests.create_orchestrator(:'owner', 2) as tidy \gset
select tests.create_child(:'tidy', 'part', 0) as original \gset
select tests.create_child(:'tidy', 'part', 1, :'original') as next_one \gset
select tests.create_child(:'tidy', 'part', 0) as duplicate \gset
select is(tests.status(:'original'), 'Cancelled', 'The original is replaced');
set local role service_role;
delete from public.tasks where id = :'duplicate';
reset role;
select is(tests.status(:'original'), 'Queued', 'Without its replacement it is Queued again');
select is((tests.task(:'original')).error_message, null, 'As if nothing had been');
select is((tests.task(:'next_one')).dependant_on, :'original'::uuid, 'What waited for it waits for it again');
select tests.finish_task(:'original');
select tests.create_child(:'tidy', 'part', 0) as copy \gset
select tests.create_task(:'owner', p_dependant_on => :'copy') as waits_for_copy \gset
select tests.create_task(:'owner', p_dependant_on => :'next_one') as waiter \gset
select fairlane_core.depend_on(:'waiter', array[:'copy'::uuid]);
delete from public.tasks where id = :'copy';
select is(tests.status(:'original'), 'Complete', 'Deleting a copy changes nothing');
select is((tests.task(:'waits_for_copy')).readiness, 'ready', 'What waited for it has what it waited for');
select is((tests.task(:'waiter')).readiness, 'dependency_pending', 'Or waits for the rest');
select tests.finish_task(:'next_one');
select tests.create_child(:'tidy', 'part', 0) as copy \gset
delete from public.tasks where id = :'original';
select tests.finish_task(tests.create_child(:'tidy', 'final'));
select is(tests.status(:'tidy'), 'Complete', 'Deleting the original leaves the copy in its place');

select is_empty('select * from fairlane_core.drift()', 'Nothing has drifted');
select is_empty('select * from tests.drift()', 'And the counters are what a recount says');

select * from finish();
rollback;
