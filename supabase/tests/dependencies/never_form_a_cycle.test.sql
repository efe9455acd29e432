begin;
select plan(13);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_project(:'owner') as project \gset
select gen_random_uuid() as a, gen_random_uuid() as b, gen_random_uuid() as c \gset
create function pg_temp.refusal(p_statement text) returns text language plpgsql as $$
declare
  v_detail text;
begin
  execute p_statement;
  return 'done';
exception when others then
  get stacked diagnostics v_detail = pg_exception_detail;
  return sqlstate || ' ' || v_detail;
end;
$$;
create function pg_temp.insertion(p_id uuid, p_dependant_on uuid) returns text language sql as $$
  select format(
    'insert into public.tasks (id, task_type, project_id, dependant_on) values (%L, ''test'', (select id from public.projects order by created_at limit 1), %L)',
    p_id, p_dependant_on
  );
$$;

-- TEST: a circle is refused by whoever closes it
select is(pg_temp.refusal(pg_temp.insertion(:'a', :'a')), 'PT400 DEPENDENCY_CYCLE', 'A task does not wait for itself');
select is(pg_temp.refusal(pg_temp.insertion(:'a', :'b')), 'done', 'A dependency may come later');
select is(pg_temp.refusal(pg_temp.insertion(:'b', :'a')), 'PT400 DEPENDENCY_CYCLE', 'But not wait for its dependent');
select is(pg_temp.refusal(pg_temp.insertion(:'b', :'c')), 'done', 'It may wait for something else');
select is(pg_temp.refusal(pg_temp.insertion(:'c', :'a')), 'PT400 DEPENDENCY_CYCLE', 'That leads back in no number of steps');
select is(pg_temp.refusal(pg_temp.insertion(:'c', null)), 'done', 'Without a dependency it closes nothing');
select is(
  array[(tests.task(:'a')).readiness, (tests.task(:'b')).readiness, (tests.task(:'c')).readiness],
  array['dependency_pending', 'dependency_pending', 'ready'], 'What was refused left nothing behind'
);

-- TEST: several in one statement
select is(
  pg_temp.refusal(format(
    'insert into public.tasks (id, task_type, project_id, dependant_on) select md5(n::text)::uuid, ''test'', %L, md5((n %% 3)::text)::uuid from generate_series(0, 2) as n',
    :'project'
  )), 'PT400 DEPENDENCY_CYCLE', 'Tasks of one statement that wait for themselves are refused'
);
select is(
  pg_temp.refusal(format(
    'insert into public.tasks (id, task_type, project_id, dependant_on) select md5(n::text)::uuid, ''test'', %L, md5((n + 1 - 4 * (n / 3))::text)::uuid from generate_series(0, 3) as n',
    :'project'
  )), 'PT400 DEPENDENCY_CYCLE', 'Those of one statement that wait in a circle are refused'
);
select is(
  pg_temp.refusal(format(
    'insert into public.tasks (id, task_type, project_id, dependant_on) select md5(''r'' || n)::uuid, ''test'', %L, case when n < 50 then md5(''r'' || n + 1)::uuid end from generate_series(0, 50) as n',
    :'project'
  )), 'done', 'A chain whose last link comes first is none'
);

-- TEST: further dependencies
select is(pg_temp.refusal(format('select fairlane_core.depend_on(%L, array[%L, %L]::uuid[])', :'c', gen_random_uuid(), :'a')), 'PT400 DEPENDENCY_CYCLE', 'depend_on() refuses a circle');
select is(pg_temp.refusal(format('select fairlane_core.depend_on(%1$L, array[%1$L]::uuid[])', :'c')), 'PT400 DEPENDENCY_CYCLE', 'And a task that waits for itself');
select is(
  pg_temp.refusal(format('select fairlane_core.depend_on(%L, array[%L]::uuid[])', tests.create_task_in('In Progress', :'owner'), :'a')),
  'PT409 ILLEGAL_TRANSITION', 'A task that runs is given no more dependencies'
);

select * from finish();
rollback;
