begin;
select plan(2);

-- SETUP: an api type, of whose tasks one runs and one waits
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task_in('In Progress', :'owner', 'edit_image');
select tests.create_task(:'owner', 'edit_image') as waiting \gset
select tests.create_task(:'owner', 'edit_image_2') as unknown \gset

-- TEST: tasks of the old name have no type any more, those of the new name have one
update public.task_types set name = 'edit_image_2' where name = 'edit_image';
select is(
  array[(tests.task(:'waiting')).pool, (tests.task(:'unknown')).pool], '{gpu,api}'::text[],
  'Renaming a type concerns the tasks of both names'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
