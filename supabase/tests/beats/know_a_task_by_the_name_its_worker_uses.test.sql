begin;
select plan(9);

-- SETUP: a worker with one task, and an orchestrator whose children it waits for
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 20) as owner \gset
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator', 'gpu-1') as orchestrator \gset
select tests.create_task_in('In Progress', :'owner', 'clip', 'gpu-1') as mine \gset
create function pg_temp.log_as(p_worker_id text, p_name text) returns void language sql as $$
  select tests.beat(p_worker_id, json_build_array(json_build_object('message', 'Step 3 of 20', 'task_id', p_name))::text);
$$;

-- TEST: a name that the worker made up means its one task, but not at once
select pg_temp.log_as('gpu-1', 'unknown_task_1768132800');
select is((tests.task(:'mine')).delivered_at, null, 'Just after a claim such lines may be those of the previous task');
select tests.step_clock('61 seconds');
select pg_temp.log_as('gpu-1', 'unknown');
select pg_temp.log_as('gpu-1', 'unknown_task_of_somebody');
select is((tests.task(:'mine')).delivered_at, null, 'Another name is not one that deployed workers make up');
select pg_temp.log_as('gpu-1', 'unknown_task_1768132800');
select is((tests.task(:'mine')).delivered_at, fairlane_core.now(), 'A minute later they say that the task has arrived');
select is((tests.task(:'mine')).reported_at, fairlane_core.now(), 'And that it was heard of');
select is((tests.task(:'orchestrator')).delivered_at, null, 'Orchestration is logged under its id');

-- TEST: of two tasks nobody knows which is meant
select tests.create_task_in('In Progress', :'owner', 'clip', 'gpu-2') as one \gset
select tests.create_task_in('In Progress', :'owner', 'clip', 'gpu-2') as two \gset
select tests.step_clock('61 seconds');
select pg_temp.log_as('gpu-2', 'unknown_task_1768132800');
select is((select count(*)::integer from public.tasks where id in (:'one', :'two') and delivered_at is null), 2, 'Neither of two has arrived');

-- TEST: the name that the task gives itself means no other
select tests.create_task_in('In Progress', :'owner', 'clip', 'gpu-3', 1, '{"task_id": "my_clip_7"}') as named \gset
select tests.create_task_in('In Progress', :'owner', 'clip', 'gpu-3') as unnamed \gset
select pg_temp.log_as('gpu-3', 'my_clip_7');
select is((tests.task(:'named')).delivered_at, fairlane_core.now(), 'A task has arrived by its params.task_id');
select is((tests.task(:'unnamed')).delivered_at, null, 'The one beside it has not');

select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
