begin;
select plan(10);

-- SETUP: a record to be a part of, and one of a stranger
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as owner \gset
select tests.create_user() as stranger \gset
insert into public.generations (user_id) values (:'owner') returning id as parent_record \gset
insert into public.generations (user_id) values (:'owner') returning id as basis \gset
insert into public.generations (user_id) values (:'stranger') returning id as foreign_record \gset
create function pg_temp.links(p_task_id uuid) returns jsonb language plpgsql as $$
begin
  perform tests.finish_task(p_task_id);
  return (
    select jsonb_build_array(g.parent_generation_id, g.child_order, g.is_child, g.based_on)
    from public.generations as g
    where g.task_id = p_task_id
  );
end;
$$;

-- TEST: what params name
select is(pg_temp.links(tests.create_task(:'owner')), '[null, null, false, null]', 'A record of its own');
select is(
  pg_temp.links(tests.create_task(:'owner', p_params => jsonb_build_object('parent_generation_id', :'parent_record', 'child_order', 4))),
  jsonb_build_array(:'parent_record', 4, true, null), 'A part of another record, in its place'
);
select is(
  pg_temp.links(tests.create_task(:'owner', p_params => jsonb_build_object('based_on', :'basis', 'child_order', 'four'))),
  jsonb_build_array(null, null, false, :'basis'), 'A record that is based on another one'
);

select is(
  pg_temp.links(tests.create_task(:'owner', p_params => jsonb_build_object('parent_generation_id', :'parent_record', fairlane_core.place_key(), 2))),
  jsonb_build_array(:'parent_record', 2, true, null), 'A part that is made once more may name its place by its index'
);
select is(
  pg_temp.links(tests.create_task(:'owner', p_params => jsonb_build_object('parent_generation_id', :'parent_record', fairlane_core.place_key(), 2, 'child_order', 0))),
  jsonb_build_array(:'parent_record', 0, true, null), 'If it names both, the place counts'
);

-- TEST: what cannot be
select is(
  pg_temp.links(tests.create_task(:'owner', p_params => '{"parent_generation_id": "the first", "based_on": 7, "child_order": {}}')),
  '[null, null, false, null]', 'What is malformed is left out'
);
select is(
  pg_temp.links(tests.create_task(:'owner', p_params => jsonb_build_object('parent_generation_id', :'foreign_record', 'based_on', :'foreign_record', 'child_order', 1))),
  '[null, null, false, null]', 'So is what belongs to somebody else'
);
select is(
  pg_temp.links(tests.create_task(:'owner', p_params => jsonb_build_object('parent_generation_id', gen_random_uuid()))),
  '[null, null, false, null]', 'Or is not there'
);

-- TEST: parts of what their orchestrator names
select tests.create_task_in(
  'In Progress', :'owner', 'film_orchestrator', p_params => jsonb_build_object('parent_generation_id', :'parent_record')
) as film \gset
select is(
  pg_temp.links(tests.create_child(:'film', 'part', 2)), jsonb_build_array(:'parent_record', 2, true, null),
  'A part is a part of what its orchestrator makes, by its index'
);
select is(pg_temp.links(tests.create_child(:'film', 'final')), '[null, null, false, null]', 'A whole is not');

select * from finish();
rollback;
