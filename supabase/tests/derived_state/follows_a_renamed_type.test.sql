begin;
select plan(2);

-- SETUP: an api type, of whose tasks one runs and one waits
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task_in('In Progress', :'owner', 'qwen_image_edit');
select tests.create_task(:'owner', 'qwen_image_edit') as waiting \gset
select tests.create_task(:'owner', 'qwen_v2') as unknown \gset

-- TEST: tasks of the old name have no type any more, those of the new name have one
update public.task_types set name = 'qwen_v2' where name = 'qwen_image_edit';
select is(
  array[(tests.task(:'waiting')).pool, (tests.task(:'unknown')).pool], '{gpu,api}'::text[],
  'Renaming a type concerns the tasks of both names'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
