begin;
select plan(8);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 20) as owner \gset
select tests.create_task_in('In Progress', :'owner', 'clip', 'gpu-1') as running \gset
select tests.create_task_in('Cancelled', :'owner', 'clip', 'gpu-1') as cancelled \gset
select tests.create_task_in('Rescued', :'owner', 'clip', 'gpu-1') as rescued \gset
select tests.create_task_in('In Progress', :'owner', 'clip', 'gpu-2') as theirs \gset
select tests.create_task_in('Complete', :'owner', 'clip', 'gpu-1') as done \gset
select tests.create_task_in('Complete', :'owner', 'clip', 'gpu-2') as overtaken \gset
select tests.create_task_in('Failed', :'owner', 'clip', 'gpu-1') as failed \gset
create function pg_temp.reasons(p_reply jsonb) returns jsonb language sql as $$
  select coalesce(jsonb_object_agg(s ->> 'task_id', s -> 'reason'), '{}') from jsonb_array_elements(p_reply -> 'stop') as s;
$$;
create function pg_temp.naming(variadic p_ids text[]) returns text language sql as $$
  select json_agg(json_build_object('message', 'step 7', 'task_id', i)) from unnest(p_ids) as i;
$$;

-- TEST: without a word from the worker
select is(
  pg_temp.reasons(tests.beat('gpu-1')), jsonb_build_object(:'cancelled', 'cancelled'), 'A worker hears what was cancelled under it'
);
select is(pg_temp.reasons(tests.beat('gpu-2')), '{}', 'Another worker does not');

-- TEST: what it believes to run
select is(
  pg_temp.reasons(tests.beat('gpu-1', pg_temp.naming(:'running', :'done', 'unknown', gen_random_uuid()::text))),
  jsonb_build_object(:'cancelled', 'cancelled'), 'Its own task, what it has completed and ids that mean nothing here are left alone'
);
select is(
  pg_temp.reasons(tests.beat('gpu-1', pg_temp.naming(:'rescued', :'theirs', :'overtaken', :'failed', :'cancelled'))),
  jsonb_build_object(
    :'cancelled', 'cancelled', :'rescued', 'taken_back', :'theirs', 'held_by_another',
    :'overtaken', 'completed_by_another', :'failed', 'failed'
  ), 'What it names and does not hold comes with the reason'
);
select is(
  pg_temp.reasons(tests.beat('gpu-2', '[]', jsonb_build_object('current_task_id_param', :'rescued'))),
  jsonb_build_object(:'rescued', 'taken_back'), 'The same for the task it calls its current one'
);
select is(
  pg_temp.reasons(tests.beat('gpu-2', '[]', '{"current_task_id_param": "5f0c3f1e-0000-4000-8000-000000000000"}')),
  '{"5f0c3f1e-0000-4000-8000-000000000000": "deleted"}', 'Also when that task is there no more'
);
select is(
  pg_temp.reasons(tests.beat('gpu-2', '[]', '{"current_task_id_param": "unknown_task_17"}')), '{}', 'A current task that is no id of a task is nothing'
);

-- TEST: later
select tests.step_clock('61 minutes');
select is(pg_temp.reasons(tests.beat('gpu-1')), '{}', 'After an hour it is no longer said');

select * from finish();
rollback;
