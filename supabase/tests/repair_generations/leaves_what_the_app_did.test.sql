begin;
select plan(14);

-- SETUP: one result that the app deleted, one that it moved, one that never was recorded
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
select tests.create_task_in('Complete', :'owner') as deleted \gset
select tests.create_task_in('Complete', :'owner') as moved \gset
select tests.create_task_in('Complete', :'owner') as never \gset
select tests.create_task_in('Queued', :'owner') as queued \gset
delete from public.generations where task_id in (:'deleted', :'never');
update public.generations set location = 'https://archive/moved.mp4' where task_id = :'moved';
update public.tasks set generation_created = false where id = :'never';

-- TEST: the repair
select public.repair_generations() as reply \gset
select is(:'reply'::jsonb -> 'task_ids', jsonb_build_array(:'never'), 'Only what was never recorded is repaired');
select is((select count(*) from public.generations where task_id = :'never'), 1::bigint, 'It is recorded');
select is((select count(*) from public.generations where task_id = :'deleted'), 0::bigint, 'What was deleted does not come back');
select is(
  (select location from public.generations where task_id = :'moved'), 'https://archive/moved.mp4', 'What was moved stays where it is'
);
select bag_eq(
  format('select jsonb_array_elements_text(%L)', :'reply'::jsonb -> 'doubtful_ids'),
  array[:'deleted', :'moved'], 'Both are listed'
);
select is(
  (select count(*) from public.task_events as e where e.actor = 'fairlane_core.repair_generations'), 1::bigint, 'The history tells of one'
);

-- TEST: the operator names some
select public.repair_generations(p_dry_run => true, p_task_ids => array[:'deleted', :'moved']::uuid[]) as reply \gset
select is((:'reply'::jsonb ->> 'missing')::integer + (:'reply'::jsonb ->> 'torn')::integer, 2, 'A dry run finds what is named');
select is((select count(*) from public.generations where task_id = :'deleted'), 0::bigint, 'And changes nothing');
select public.repair_generations(p_task_ids => array[:'deleted', :'queued']::uuid[]) as reply \gset
select is(:'reply'::jsonb -> 'task_ids', jsonb_build_array(:'deleted'), 'A deleted one that is named is recorded anew');
select is(
  (select location from public.generations where task_id = :'moved'), 'https://archive/moved.mp4', 'One that is not named stays'
);
select public.repair_generations(p_task_ids => array[:'moved']::uuid[]);
select is(
  (select location from public.generations where task_id = :'moved'), 'https://files/first.mp4', 'A moved one that is named goes back'
);
select is((select count(*) from public.generations where task_id = :'queued'), 0::bigint, 'A task without a result has none');

-- TEST: ids are bounded, and no ids are none
select is(
  tests.answer(format('public.repair_generations(1, false, array[%L, %L]::uuid[])', :'moved', :'deleted')), '400 INVALID_ARGUMENT',
  'More ids than the limit are refused'
);
select is(public.repair_generations(p_task_ids => array[]::uuid[]) ->> 'missing', '0', 'An empty list names nothing');

select * from finish();
rollback;
