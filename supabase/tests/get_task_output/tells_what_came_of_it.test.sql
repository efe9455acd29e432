begin;
select plan(9);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_user() as stranger \gset
select tests.create_task(:'owner', p_params => '{"seed": 9007199254740993}') as parent \gset
select tests.create_task_in('Complete', :'owner') as complete \gset
select tests.create_task_in('Failed', :'owner') as failed \gset
select tests.create_task(:'owner', p_dependant_on => :'parent') as waiting \gset
create function pg_temp.output_of(p_task_id uuid, p_key text, p_caller jsonb default tests.service())
returns text language sql as $$
  select tests.answer(format('public.get_task_output(%L, %L) ->> %L', p_caller, p_task_id, p_key));
$$;

-- TEST: the output and what else there may be in its place
select is(pg_temp.output_of(:'complete', 'output_location'), 'https://files/first.mp4', 'A result is returned');
select is(pg_temp.output_of(:'complete', 'public_url'), 'https://files/first.mp4', 'And is public');
select is(pg_temp.output_of(:'failed', 'output_location'), 'first reason', 'A failure has its reason there');
select is(pg_temp.output_of(:'failed', 'public_url'), null, 'Which is no result');

-- TEST: what the task was asked to do
select is(pg_temp.output_of(:'parent', 'params'), '{"seed": 9007199254740993}', 'Params come as they are stored, large numbers too');
select is(pg_temp.output_of(:'waiting', 'dependant_on'), :'parent', 'What it waits for is returned');

-- TEST: who may ask
select is(pg_temp.output_of(:'complete', 'status', tests.with_token(:'owner')), 'Complete', 'The owner''s machine may ask');
select is(
  pg_temp.output_of(:'complete', 'status', tests.with_token(:'stranger')), '404 TASK_NOT_FOUND', 'A stranger finds no such task'
);
select tests.authenticate_as(:'owner');
select throws_ok(
  format('select public.get_task_output(''{"kind": "service"}'', %L)', :'complete'), '42501', null,
  'get_task_output() is not for signed-in users directly'
);

select * from finish();
rollback;
