begin;
select plan(29);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as owner \gset

-- TEST: travel: three segments and a stitch
select tests.create_orchestrator(:'owner', 3) as travel \gset
select tests.create_child(:'travel', 'travel_segment', 0) as first \gset
select tests.finish_task(:'first');
select is(tests.status(:'travel'), 'In Progress', 'An orchestrator is not judged by its first child');
select tests.create_child(:'travel', 'travel_segment', 1, :'first') as second \gset
select tests.create_child(:'travel', 'travel_segment', 2, :'second') as third \gset
select tests.finish_task(:'second');
select tests.finish_task(:'third');
select is(tests.status(:'travel'), 'In Progress', 'Nor by its segments, before the stitch is there');
select is(queue.needs_no_worker(tests.task(:'travel')), false, 'Until then it needs its worker');
select tests.create_child(:'travel', 'travel_stitch', null, :'third') as stitch \gset
select is(queue.needs_no_worker(tests.task(:'travel')), true, 'Then no more');
select is(tests.status(:'travel'), 'In Progress', 'The stitch is still to come');
select tests.finish_task(:'stitch');
select is(tests.status(:'travel'), 'Complete', 'It is Complete with its last child, without any report');
select is((tests.task(:'travel')).output_location, 'https://files/' || :'stitch', 'Its output is that of the stitch');
select is((tests.task(:'travel')).thumbnail_url, 'https://thumbs/' || :'stitch', 'So is its thumbnail');
select isnt((tests.task(:'travel')).generation_processed_at, null, 'It has a time');
select is((tests.task(:'travel')).worker_id, 'gpu-orchestrator', 'Its worker stays on it');
select is_empty(format('select * from public.generations where task_id = %L', :'travel'), 'It has no result record of its own');
select is((select count(*) from public.generations), 4::bigint, 'Each of its children has one');
select is(
  (select e.reason from public.task_events as e where e.task_id = :'travel' and e.to_status = 'Complete'),
  'all of its children are complete', 'The history says why'
);
select is((tests.task(:'stitch')).output_location, 'https://files/' || :'stitch', 'The child is untouched');

-- TEST: joins: n clips are n - 1 joins
select tests.create_orchestrator(:'owner', 4, 'join_clips_orchestrator') as joins \gset
select tests.create_child(:'joins', 'join_clips_segment', n) from generate_series(0, 1) as n;
select tests.finish_task(t.id) from public.tasks as t where t.params ->> 'orchestrator_task_id_ref' = :'joins';
select is(tests.status(:'joins'), 'In Progress', 'Two joins of four clips are not all');
select tests.create_child(:'joins', 'join_clips_segment', 2) as last_join \gset
select tests.finish_task(:'last_join');
select is(tests.status(:'joins'), 'Complete', 'Three are');
select is((tests.task(:'joins')).output_location, 'https://files/' || :'last_join', 'The output is that of the last join');

-- TEST: an orchestrator that announces nothing is judged once it has reported
select tests.create_orchestrator(:'owner') as quiet \gset
select tests.create_child(:'quiet', 'travel_segment', 10) as tenth \gset
select tests.create_child(:'quiet', 'travel_segment', 9) as ninth \gset
select tests.finish_task(:'tenth');
select tests.finish_task(:'ninth');
select is(tests.status(:'quiet'), 'In Progress', 'Without an announcement nobody knows whether these are all');
select tests.report_enqueued(:'quiet');
select is(tests.status(:'quiet'), 'Complete', 'Its report says that they are');
select is((tests.task(:'quiet')).output_location, 'https://files/' || :'tenth', 'The output is that of the last segment, whichever ended last');

-- TEST: a report holds for one start
select tests.create_orchestrator(:'owner') as again \gset
select tests.create_child(:'again', 'travel_segment', 0) as only_child \gset
select tests.report_enqueued(:'again');
select is(queue.needs_no_worker(tests.task(:'again')), true, 'A report makes the worker dispensable');
update public.tasks set status = 'Queued' where id = :'again';
select tests.start(:'again');
select is(queue.needs_no_worker(tests.task(:'again')), false, 'A new start asks for a new report');
select tests.finish_task(:'only_child');
select is(tests.status(:'again'), 'In Progress', 'Until then it is not judged');
select tests.report_enqueued(:'again');
select is(tests.status(:'again'), 'Complete', 'Then it is');

-- TEST: one that was put back is not started for nothing
select tests.create_orchestrator(:'owner', 2, 'join_clips_orchestrator') as put_back \gset
select tests.create_child(:'put_back', 'join_clips_segment', 0) as join_child \gset
update public.tasks set status = 'Queued' where id = :'put_back';
select tests.finish_task(:'join_child');
select is(tests.status(:'put_back'), 'Complete', 'An orchestrator that waits for a worker is Complete with its last child');

-- TEST: parents of somebody else are no parents
select tests.create_user() as stranger \gset
select tests.create_orchestrator(:'owner', 2, 'join_clips_orchestrator') as theirs \gset
select tests.finish_task(tests.create_task(:'stranger', 'join_clips_segment', jsonb_build_object('orchestrator_task_id_ref', :'theirs', 'join_index', 0)));
select is(tests.status(:'theirs'), 'In Progress', 'A stranger''s child ends nobody''s orchestrator');
select tests.create_child(:'theirs', 'join_clips_segment', 0) as own_child \gset
select tests.finish_task(tests.create_task(:'stranger', 'join_clips_segment', jsonb_build_object('orchestrator_task_id_ref', :'theirs', 'join_index', 9)));
select tests.fail_child(tests.create_task(:'stranger', 'join_clips_segment', jsonb_build_object('orchestrator_task_id_ref', :'theirs', 'join_index', 8)));
select is(
  (select row(o.open_count, o.complete_count, o.failed_count, o.merge_count)::text from queue.orchestrations as o where o.orchestrator_id = :'theirs'),
  '(1,0,0,1)', 'Nor is it counted'
);
select tests.finish_task(:'own_child');
select is((tests.task(:'theirs')).output_location, 'https://files/' || :'own_child', 'Nor shown');
select is_empty('select * from queue.drift()', 'Nothing has drifted');

select * from finish();
rollback;
