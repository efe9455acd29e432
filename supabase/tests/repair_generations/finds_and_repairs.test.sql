begin;
select plan(13);

-- SETUP: complete tasks from before results were recorded
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
select tests.create_task_in('Complete', :'owner') as whole \gset
select tests.create_task_in('Complete', :'owner') as missing \gset
select tests.create_task_in('Complete', :'owner') as torn \gset
select tests.create_task_in('Complete', :'owner', p_params => '{"skip_generation": true}') as skipped \gset
select tests.create_task_in('Complete', :'owner', 'film_orchestrator') as orchestrator \gset
select tests.create_task_in('Failed', :'owner') as failed \gset
delete from public.generations where task_id = :'missing';
update public.tasks set generation_created = false where id = :'missing';
update public.generations set location = 'https://files/other.mp4' where task_id = :'torn';
create function pg_temp.repair(p_call text default '') returns jsonb language plpgsql as $$
declare
  v_reply jsonb;
begin
  set local role service_role;
  execute 'select public.repair_generations(' || p_call || ')' into v_reply;
  reset role;
  return v_reply;
end;
$$;

-- TEST: a dry run finds both kinds, when they are named
select pg_temp.repair(format('p_dry_run => true, p_task_ids => array[%L, %L, %L, %L]::uuid[]', :'missing', :'torn', :'whole', :'failed')) as reply \gset
select is((:'reply'::jsonb ->> 'missing')::integer, 1, 'One record is missing');
select is((:'reply'::jsonb ->> 'torn')::integer, 1, 'One names another result');
select bag_eq(
  format('select jsonb_array_elements_text(%L)', :'reply'::jsonb -> 'task_ids'),
  array[:'missing', :'torn'], 'It names the tasks'
);
select is((select count(*)::integer from public.generations where task_id = :'missing'), 0, 'And changes nothing');

-- TEST: the repair
select pg_temp.repair();
select pg_temp.repair(format('p_task_ids => array[%L, %L, %L]::uuid[]', :'torn', :'skipped', :'orchestrator'));
select is(
  (select g.location from public.generations as g where g.task_id = :'missing'), 'https://files/first.mp4', 'The missing record is there'
);
select is((tests.task(:'missing')).generation_created, true, 'The task says so');
select is(
  (select g.created_at from public.generations as g where g.task_id = :'missing'), (tests.task(:'missing')).generation_processed_at,
  'As of the time when it was completed'
);
select is(
  (select g.location from public.generations as g where g.task_id = :'torn'), 'https://files/first.mp4', 'The torn one names its task''s result'
);
select is((select count(*)::integer from public.generations), 3, 'Nothing else got a record');
select matches(
  (select e.reason from public.task_events as e where e.task_id = :'missing' order by e.id desc limit 1), 'was missing', 'The history tells'
);

-- TEST: again
select is(pg_temp.repair() -> 'task_ids', '[]', 'A second repair finds nothing');
select is(tests.answer('public.repair_generations(0)'), '400 INVALID_ARGUMENT', 'A limit of nothing is refused');
select tests.authenticate_as(:'owner');
select throws_ok('select public.repair_generations()', '42501', null, 'repair_generations() is not for signed-in users');
select tests.clear_authentication();

select * from finish();
rollback;
