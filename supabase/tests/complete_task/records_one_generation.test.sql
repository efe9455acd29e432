begin;
select plan(20);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
select tests.create_task_in('In Progress', :'owner', p_params => '{"prompt": "a bus"}') as task \gset
create function pg_temp.generations(p_task_id uuid) returns integer language sql as $$
  select count(*)::integer from public.generations as g where g.task_id = p_task_id;
$$;

-- TEST: with the completion, and as it says
select public.complete_task(
  tests.service(), :'task', 'https://files/a.mp4', 'https://files/a.jpg', '{"frames": 81}'
) as reply \gset
select g.* from public.generations as g where g.task_id = :'task' \gset g_
select is(pg_temp.generations(:'task'), 1, 'complete_task() records a generation');
select is(:'g_location', 'https://files/a.mp4'::text, 'Its location is the output');
select is(:'g_thumbnail_url', 'https://files/a.jpg'::text, 'Its thumbnail is the task''s');
select is(:'g_type', 'video'::text, 'Its type is the content type of the task''s type');
select is(:'g_user_id'::uuid, :'owner', 'It belongs to the owner');
select is(:'g_project_id'::uuid, (tests.task(:'task')).project_id, 'It is in the task''s project');
select is(:'g_params'::jsonb, '{"prompt": "a bus"}', 'It keeps the params');

-- TEST: the task and the reply say the same
select is((tests.task(:'task')).output_location, 'https://files/a.mp4', 'The task has the output');
select is((tests.task(:'task')).result_data, '{"frames": 81}', 'The task has the result data');
select is((tests.task(:'task')).generation_processed_at, fairlane_core.now(), 'The task says when it was completed');
select ok((tests.task(:'task')).generation_created, 'The task says that its generation exists');
select is((tests.task(:'task')).worker_id, 'gpu-holder', 'The task keeps its worker');
select is(:'reply'::jsonb ->> 'generation_id', :'g_id'::text, 'The reply names the generation');
select is(:'reply'::jsonb ->> 'public_url', 'https://files/a.mp4'::text, 'The reply has the url under the name that clients read');

-- TEST: types that leave none
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator') as orchestrator \gset
select tests.create_task_in('In Progress', :'owner', 'process') as unknown \gset
select tests.create_task_in('In Progress', :'owner', p_params => '{"skip_generation": true}') as skipped \gset
select tests.create_task_in('In Progress', :'owner', p_params => '{"skip_generation": false}') as not_skipped \gset
select public.complete_task(tests.service(), t.id, 'https://files/b.mp4') from public.tasks as t where t.status = 'In Progress';
select is(pg_temp.generations(:'orchestrator'), 0, 'An orchestrator leaves none');
select is(pg_temp.generations(:'unknown'), 0, 'An unknown type leaves none');
select is(pg_temp.generations(:'skipped'), 0, 'params.skip_generation = true leaves none');
select is(pg_temp.generations(:'not_skipped'), 1, 'params.skip_generation = false leaves one');

-- TEST: no output: a generation without a location, and a note
select tests.create_task_in('In Progress', :'owner') as empty_handed \gset
select public.complete_task(tests.service(), :'empty_handed');
select is(
  (select array_agg(g.location) from public.generations as g where g.task_id = :'empty_handed'), array[null]::text[],
  'Without an output the generation has no location'
);
select matches(
  (select e.reason from public.task_events as e where e.task_id = :'empty_handed' order by e.id desc limit 1), 'without an output',
  'And the history says so'
);

select * from finish();
rollback;
