begin;
select plan(18);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_user() as stranger \gset
select tests.create_task(:'owner', 'film_orchestrator') as parent \gset
create function pg_temp.child(p_user_id uuid, p_parent text, p_more jsonb default '{}') returns uuid language plpgsql as $$
begin
  perform tests.step_clock('1 second');
  return tests.create_task(p_user_id, 'clip', jsonb_build_object(fairlane_core.parent_key(), p_parent) || p_more);
end;
$$;
create function pg_temp.children(p_parent uuid, p_caller jsonb default tests.service()) returns jsonb language sql as $$
  select tests.answer(format('public.get_orchestrator_children(%L, %L)', p_caller, p_parent))::jsonb;
$$;
create function pg_temp.ids(p_parent uuid) returns text[] language sql as $$
  select array_agg(c.task ->> 'id' order by c.place)
  from jsonb_array_elements(pg_temp.children(p_parent) -> 'tasks') with ordinality as c (task, place);
$$;

-- TEST: none yet
select is(pg_temp.children(:'parent'), '{"tasks": [], "is_cut": false, "next": null}', 'An orchestrator without children has an empty list');

-- TEST: its own, in the order in which they came
select pg_temp.child(:'owner', :'parent', '{"seed": 9007199254740993}') as first \gset
select pg_temp.child(:'owner', upper(:'parent')) as second \gset
select pg_temp.child(:'owner', gen_random_uuid()::text) \g /dev/null
select pg_temp.child(:'owner', 'run-of-a-human') \g /dev/null
select pg_temp.child(:'owner', :'parent' || ' ') \g /dev/null
select is(pg_temp.ids(:'parent'), array[:'first', :'second'], 'Children are listed oldest first, in any spelling of the parent');
select is(
  (select array_agg(k.key order by k.key) from jsonb_object_keys(pg_temp.children(:'parent') #> '{tasks,0}') as k (key)),
  '{id,output_location,params,status,task_type}', 'Each with what clients read'
);
select alike(
  tests.answer(format('public.get_orchestrator_children(%L, %L)', tests.service(), :'parent')), '%"seed": 9007199254740993%',
  'Params come as they are stored, large numbers too'
);

-- TEST: ended children belong to it, too
update public.tasks set status = 'Cancelled' where id = :'first';
select is(pg_temp.children(:'parent') #>> '{tasks,0,status}', 'Cancelled', 'An ended child stays in the list');
select is(pg_temp.ids(:'second'), null, 'A child has no children');

-- TEST: a stranger's task that names the orchestrator is none of its children
select pg_temp.child(:'stranger', :'parent') \g /dev/null
select is(pg_temp.ids(:'parent'), array[:'first', :'second'], 'Somebody else''s task is no child');

-- TEST: a family that had ended before the queue kept count of families
delete from fairlane_core.subtasks;
delete from fairlane_core.orchestrations;
select is(pg_temp.ids(:'parent'), array[:'first', :'second'], 'A family of old is found by its params');

-- TEST: bounds
select tests.create_task(:'owner', 'film_orchestrator') as fertile \gset
select count(pg_temp.child(:'owner', :'fertile')) from generate_series(1, 1000) \g /dev/null
select is(pg_temp.children(:'fertile') -> 'is_cut', 'false'::jsonb, 'A thousand children are all listed');
select pg_temp.child(:'owner', :'fertile') \g /dev/null
select is(pg_temp.children(:'fertile') -> 'is_cut', 'true'::jsonb, 'Of more the reply says that they are more');
select is(jsonb_array_length(pg_temp.children(:'fertile') -> 'tasks'), 1000, 'And lists the first thousand');
select pg_temp.children(:'fertile') ->> 'next' as next \gset
select tests.answer(format('public.get_orchestrator_children(%L, %L, %L)', tests.service(), :'fertile', :'next')) as rest \gset
select is(jsonb_array_length(:'rest'::jsonb -> 'tasks'), 1, 'next of a reply gets what comes after it');
select is(:'rest'::jsonb -> 'next', 'null'::jsonb, 'The last page names no next');
select is(
  tests.answer(format('public.get_orchestrator_children(%L, %L, %L)', tests.service(), :'fertile', 'nonsense'))
    || ', ' || tests.answer(format('public.get_orchestrator_children(%L, %L, %L)', tests.service(), :'fertile', 'infinity,x')),
  '400 INVALID_ARGUMENT, 400 INVALID_ARGUMENT', 'What was no next is refused'
);
select tests.create_task(:'owner', 'film_orchestrator') as heavy \gset
select count(pg_temp.child(:'owner', :'heavy', jsonb_build_object('ballast', repeat('x', 1000000))))
from generate_series(1, 40) \g /dev/null
select is(
  row(jsonb_array_length(pg_temp.children(:'heavy') -> 'tasks'), pg_temp.children(:'heavy') ->> 'is_cut')::text, '(33,true)',
  'Children that are too large together are cut as well'
);

-- TEST: who may ask
create function pg_temp.answer_to(p_caller jsonb, p_parent uuid) returns text language sql as $$
  select tests.answer(format('json_array_length(public.get_orchestrator_children(%L, %L) -> ''tasks'')', p_caller, p_parent));
$$;
select is(pg_temp.answer_to(tests.with_token(:'owner'), :'parent'), '2', 'The owner''s machine may ask');
select is(pg_temp.answer_to(tests.with_token(:'stranger'), :'parent'), '404 TASK_NOT_FOUND', 'A stranger''s machine finds no such task');
select tests.authenticate_as(:'owner');
select throws_ok(
  format('select public.get_orchestrator_children(''{"kind": "service"}'', %L)', :'parent'), '42501', null,
  'get_orchestrator_children() is not for signed-in users directly'
);

select * from finish();
rollback;
