begin;
select plan(29);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as owner \gset

-- TEST: film: three parts and a whole
select tests.create_orchestrator(:'owner', 3) as film \gset
select tests.create_child(:'film', 'part', 0) as first \gset
select tests.finish_task(:'first');
select is(tests.status(:'film'), 'In Progress', 'An orchestrator is not judged by its first child');
select tests.create_child(:'film', 'part', 1, :'first') as second \gset
select tests.create_child(:'film', 'part', 2, :'second') as third \gset
select tests.finish_task(:'second');
select tests.finish_task(:'third');
select is(tests.status(:'film'), 'In Progress', 'Nor by its parts, before the whole is there');
select is(fairlane_core.is_waiting_for_children(tests.task(:'film')), false, 'Until then it needs its worker');
select tests.create_child(:'film', 'final', null, :'third') as whole \gset
select is(fairlane_core.is_waiting_for_children(tests.task(:'film')), true, 'Then no more');
select is(tests.status(:'film'), 'In Progress', 'The whole is still to come');
select tests.finish_task(:'whole');
select is(tests.status(:'film'), 'Complete', 'It is Complete with its last child, without any report');
select is((tests.task(:'film')).output_location, 'https://files/' || :'whole', 'Its output is that of the whole');
select is((tests.task(:'film')).thumbnail_url, 'https://thumbs/' || :'whole', 'So is its thumbnail');
select isnt((tests.task(:'film')).generation_processed_at, null, 'It has a time');
select is((tests.task(:'film')).worker_id, 'gpu-orchestrator', 'Its worker stays on it');
select is_empty(format('select * from public.generations where task_id = %L', :'film'), 'It has no result record of its own');
select is((select count(*) from public.generations), 4::bigint, 'Each of its children has one');
select is(
  (select e.reason from public.task_events as e where e.task_id = :'film' and e.to_status = 'Complete'),
  'all of its children are complete', 'The history says why'
);
select is((tests.task(:'whole')).output_location, 'https://files/' || :'whole', 'The child is untouched');

-- TEST: joins: n clips are n - 1 joins
select tests.create_orchestrator(:'owner', 4, 'montage_orchestrator') as joins \gset
select tests.create_child(:'joins', 'merge', n) from generate_series(0, 1) as n;
select tests.finish_task(t.id) from public.tasks as t where t.params ->> fairlane_core.parent_key() = :'joins';
select is(tests.status(:'joins'), 'In Progress', 'Two joins of four clips are not all');
select tests.create_child(:'joins', 'merge', 2) as last_join \gset
select tests.finish_task(:'last_join');
select is(tests.status(:'joins'), 'Complete', 'Three are');
select is((tests.task(:'joins')).output_location, 'https://files/' || :'last_join', 'The output is that of the last join');

-- TEST: an orchestrator that announces nothing is judged once it has reported
select tests.create_orchestrator(:'owner') as quiet \gset
select tests.create_child(:'quiet', 'part', 10) as tenth \gset
select tests.create_child(:'quiet', 'part', 9) as ninth \gset
select tests.finish_task(:'tenth');
select tests.finish_task(:'ninth');
select is(tests.status(:'quiet'), 'In Progress', 'Without an announcement nobody knows whether these are all');
select tests.report_enqueued(:'quiet');
select is(tests.status(:'quiet'), 'Complete', 'Its report says that they are');
select is((tests.task(:'quiet')).output_location, 'https://files/' || :'tenth', 'The output is that of the last part, whichever ended last');

-- TEST: a report holds for one start
select tests.create_orchestrator(:'owner') as again \gset
select tests.create_child(:'again', 'part', 0) as only_child \gset
select tests.report_enqueued(:'again');
select is(fairlane_core.is_waiting_for_children(tests.task(:'again')), true, 'A report makes the worker dispensable');
update public.tasks set status = 'Queued' where id = :'again';
select tests.start(:'again');
select is(fairlane_core.is_waiting_for_children(tests.task(:'again')), false, 'A new start asks for a new report');
select tests.finish_task(:'only_child');
select is(tests.status(:'again'), 'In Progress', 'Until then it is not judged');
select tests.report_enqueued(:'again');
select is(tests.status(:'again'), 'Complete', 'Then it is');

-- TEST: a requeued one is not started for nothing
select tests.create_orchestrator(:'owner', 2, 'montage_orchestrator') as requeue_lost \gset
select tests.create_child(:'requeue_lost', 'merge', 0) as join_child \gset
update public.tasks set status = 'Queued' where id = :'requeue_lost';
select tests.finish_task(:'join_child');
select is(tests.status(:'requeue_lost'), 'Complete', 'An orchestrator that waits for a worker is Complete with its last child');

-- TEST: parents of somebody else are no parents
select tests.create_user() as stranger \gset
select tests.create_orchestrator(:'owner', 2, 'montage_orchestrator') as theirs \gset
select tests.finish_task(tests.create_task(:'stranger', tests.type_of('merge'), tests.child_params(:'theirs', 'merge', 0)));
select is(tests.status(:'theirs'), 'In Progress', 'A stranger''s child ends nobody''s orchestrator');
select tests.create_child(:'theirs', 'merge', 0) as own_child \gset
select tests.finish_task(tests.create_task(:'stranger', tests.type_of('merge'), tests.child_params(:'theirs', 'merge', 9)));
select tests.fail_child(tests.create_task(:'stranger', tests.type_of('merge'), tests.child_params(:'theirs', 'merge', 8)));
select is(
  (select row(o.open_count, o.complete_count, o.failed_count, o.part_count + o.merge_count)::text from fairlane_core.orchestrations as o where o.orchestrator_id = :'theirs'),
  '(1,0,0,1)', 'Nor is it counted'
);
select tests.finish_task(:'own_child');
select is((tests.task(:'theirs')).output_location, 'https://files/' || :'own_child', 'Nor shown');
select is_empty('select * from fairlane_core.drift()', 'Nothing has drifted');

select * from finish();
rollback;
