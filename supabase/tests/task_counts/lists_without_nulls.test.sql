begin;
select plan(12);

-- SETUP: tasks in every condition that the lists show, also odd ones
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 3) as owner \gset
select tests.create_task(:'owner') from generate_series(1, 6);
select tests.claim('gpu-1'), tests.claim('gpu-2'), tests.claim('mac', 'gpu', null, tests.with_token(:'owner'));
-- As rows from before may be: running, but nobody knows where or since when.
update public.tasks set worker_id = null, generation_started_at = null where worker_id = 'gpu-2';
update public.users set max_in_progress = 5 where id = :'owner';
select tests.counts('gpu') as counts \gset

-- TEST: deployed clients slice these values as text; a null in one of them ends their cycle
create function pg_temp.nulls(p_list text) returns setof text language sql as $$
  select e.key from jsonb_array_elements(tests.counts('gpu') -> p_list) as i, jsonb_each(i) as e where e.value = 'null';
$$;
select is_empty($$ select pg_temp.nulls('queued_tasks') $$, 'queued_tasks holds no null');
select is_empty($$ select pg_temp.nulls('active_tasks') $$, 'active_tasks holds no null');
select is_empty($$ select pg_temp.nulls('recent_tasks') $$, 'recent_tasks holds no null');

-- TEST: what the lists show
select is(jsonb_array_length(:'counts'::jsonb -> 'queued_tasks'), 2, 'queued_tasks are those that claims would hand out');
select is(jsonb_array_length(:'counts'::jsonb -> 'active_tasks'), 3, 'active_tasks are those that run');
select set_eq(
  format('select jsonb_object_keys(%L::jsonb #> ''{queued_tasks,0}'')', :'counts'),
  array['task_id', 'task_type', 'user_id', 'created_at'], 'queued_tasks say what the contract names'
);
select is(
  (select count(*)::integer from jsonb_array_elements(:'counts'::jsonb -> 'active_tasks') as a where a ? 'started_at'), 3,
  'active_tasks always say since when'
);
select is(
  (select count(*)::integer from jsonb_array_elements(:'counts'::jsonb -> 'recent_tasks') as r where r -> 'is_cloud' = 'true'), 2,
  'recent_tasks say which run in the cloud'
);
select is(:'counts'::jsonb #> '{users,0,queued_tasks}', '2', 'users say what each could start');
select is(:'counts'::jsonb #> '{users,0,in_progress_tasks}', '3', 'users say what each runs');
select is(:'counts'::jsonb #> '{users,0,at_limit}', 'false', 'users say who is below the limit');
update public.users set max_in_progress = 3 where id = :'owner';
select is(tests.counts() #> '{users,0,at_limit}', 'true', 'users say who is at the limit');

select * from finish();
rollback;
