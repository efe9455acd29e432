begin;
select plan(7);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_user() as stranger \gset
select tests.create_task_in('Failed', :'owner') as task \gset
create function pg_temp.status_of(p_caller jsonb, p_task_id uuid) returns text language sql as $$
  select tests.answer(format('public.get_task_status(%L, %L) ->> ''status''', p_caller, p_task_id));
$$;

-- TEST: who may ask
select is(pg_temp.status_of(tests.service(), :'task'), 'Failed', 'The service may ask about any task');
select is(pg_temp.status_of(tests.signed_in(:'owner'), :'task'), 'Failed', 'The owner may ask');
select is(pg_temp.status_of(tests.with_token(:'owner'), :'task'), 'Failed', 'The owner''s machine may ask');
select is(pg_temp.status_of(tests.signed_in(:'stranger'), :'task'), '404 TASK_NOT_FOUND', 'A stranger finds no such task');
select is(pg_temp.status_of(tests.with_token(:'stranger'), :'task'), '404 TASK_NOT_FOUND', 'Nor does a stranger''s machine');
select is(pg_temp.status_of(tests.service(), gen_random_uuid()), '404 TASK_NOT_FOUND', 'An unknown task is not found');

-- TEST: what is told
select is(
  (select array_agg(k.key) from json_object_keys(public.get_task_status(tests.service(), :'task')) as k (key)),
  '{task_id,task_type,status,attempt,error_message,created_at,updated_at,generation_started_at,generation_processed_at}',
  'All keys are there'
);

select * from finish();
rollback;
