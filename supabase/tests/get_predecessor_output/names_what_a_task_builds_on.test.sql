begin;
select plan(18);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_user() as stranger \gset
select tests.create_task_in('In Progress', :'owner') as parent \gset
select tests.create_task(:'owner', p_dependant_on => :'parent') as child \gset
create function pg_temp.predecessor(p_task_id uuid, p_caller jsonb default tests.service())
returns jsonb language sql as $$
  select tests.answer(format('public.get_predecessor_output(%L, %L)', p_caller, p_task_id))::jsonb;
$$;

-- TEST: no dependency
select is(pg_temp.predecessor(:'parent'), null, 'A task that waits for none has no predecessor');

-- TEST: an output only once it is one
update public.tasks set output_location = 'Loading the model' where id = :'parent';
select is(pg_temp.predecessor(:'child') ->> 'predecessor_id', :'parent', 'The predecessor is named while it runs');
select is(pg_temp.predecessor(:'child') -> 'output_location', 'null'::jsonb, 'Its progress text is no output');
select is(pg_temp.predecessor(:'child') ->> 'status', 'In Progress', 'Its status is returned');
update public.tasks set status = 'Complete', output_location = 'https://files/a.mp4' where id = :'parent';
select is(pg_temp.predecessor(:'child') ->> 'output_location', 'https://files/a.mp4', 'Once it is Complete, its output is returned');

-- TEST: several dependencies
select tests.create_task_in('Complete', :'owner') as second \gset
insert into fairlane_core.task_dependencies (task_id, depends_on) values (:'child', :'second');
select is(pg_temp.predecessor(:'child') ->> 'predecessor_id', :'parent', 'Of several, the first dependency is the predecessor');
select is(jsonb_array_length(pg_temp.predecessor(:'child') -> 'predecessors'), 2, 'All of them are listed');
select is(
  pg_temp.predecessor(:'child') #>> '{predecessors,1,output_location}', 'https://files/first.mp4', 'Each with its output'
);

-- TEST: several dependencies, not all of which are done
select tests.create_task_in('In Progress', :'owner') as third \gset
insert into fairlane_core.task_dependencies (task_id, depends_on) values (:'child', :'third');
select is(pg_temp.predecessor(:'child') -> 'output_location', 'null'::jsonb, 'Until all are Complete there is no one output');
select is(pg_temp.predecessor(:'child') #>> '{predecessors,0,output_location}', 'https://files/a.mp4', 'What exists is in the list');

-- TEST: predecessors that are not there
select gen_random_uuid() as missing \gset
select tests.create_task(:'owner', p_dependant_on => :'missing') as lost \gset
select is(pg_temp.predecessor(:'lost') ->> 'predecessor_id', :'missing', 'A missing predecessor is named');
select is(pg_temp.predecessor(:'lost') -> 'status', 'null'::jsonb, 'Without a status');
select tests.create_task_in('Complete', :'stranger') as foreign_task \gset
select tests.create_task(:'owner', p_dependant_on => :'foreign_task') as curious \gset
select is(
  pg_temp.predecessor(:'curious') - '{predecessors,all_complete,lookup_method}'::text[],
  jsonb_build_object('predecessor_id', :'foreign_task', 'output_location', null, 'status', null),
  'A stranger''s task counts as missing, its output is not returned'
);

-- TEST: who may ask
create function pg_temp.answer_to(p_caller jsonb, p_task_id uuid) returns text language sql as $$
  select tests.answer(format('public.get_predecessor_output(%L, %L) ->> ''predecessor_id''', p_caller, p_task_id));
$$;
select is(pg_temp.answer_to(tests.with_token(:'owner'), :'child'), :'parent', 'The owner''s machine may ask');
select is(pg_temp.answer_to(tests.signed_in(:'owner'), :'child'), :'parent', 'The owner may ask');
select is(pg_temp.answer_to(tests.with_token(:'stranger'), :'child'), '404 TASK_NOT_FOUND', 'A stranger''s machine finds no such task');
select is(pg_temp.answer_to(tests.service(), gen_random_uuid()), '404 TASK_NOT_FOUND', 'An unknown task is not found');
select tests.authenticate_as(:'owner');
select throws_ok(
  format('select public.get_predecessor_output(''{"kind": "service"}'', %L)', :'child'), '42501', null,
  'get_predecessor_output() is not for signed-in users directly'
);

select * from finish();
rollback;
