begin;
select plan(37);

-- SETUP: an owner with two projects, the first with more than goes at once
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 5) as owner \gset
select tests.create_project(:'owner') as large \gset
select tests.create_project(:'owner') as small \gset
select tests.create_user() as bystander \gset
select tests.create_task(:'bystander') as others_task \gset
create function pg_temp.fill(p_project uuid, p_count integer) returns void language plpgsql as $$
declare
  v_orchestrator uuid;
begin
  insert into public.tasks (task_type, project_id) values ('film_orchestrator', p_project) returning id into v_orchestrator;
  insert into public.tasks (task_type, project_id, params, dependant_on)
  select
    'clip', p_project,
    case when n % 2 = 0 then jsonb_build_object(fairlane_core.parent_key(), v_orchestrator) else '{}' end,
    case when n % 3 = 0 then v_orchestrator end
  from generate_series(1, p_count - 1) as n;
end;
$$;
create function pg_temp.tasks_of(p_project uuid) returns integer language sql as $$
  select count(*)::integer from public.tasks as t where t.project_id = p_project;
$$;
create function pg_temp.sum_of(p_call text) returns text language plpgsql as $$
declare v_detail text;
begin
  execute p_call;
  return 'done';
exception when others then
  get stacked diagnostics v_detail = pg_exception_detail;
  return concat_ws(' ', substr(sqlstate, 3), v_detail);
end;
$$;
-- Pieces until nothing is left; how many.
create function pg_temp.settle() returns integer language plpgsql as $$
declare
  v_pieces integer := 0;
begin
  while exists (select from fairlane_core.deferred_work) and v_pieces < 1000 loop
    perform fairlane_core.settle_deferred();
    v_pieces := v_pieces + 1;
  end loop;
  return v_pieces;
end;
$$;

-- TEST: few go at once, as they always did
select pg_temp.fill(:'small', 100);
select tests.authenticate_as(:'owner');
delete from public.projects where id = :'small';
select tests.clear_authentication();
select is_empty(format('select from public.projects where id = %L', :'small'), 'A project with a hundred tasks is gone at once');
select is(pg_temp.tasks_of(:'small'), 0, 'With them');
select is_empty('select from fairlane_core.deferred_work', 'And nothing is left to do');

-- TEST: a project with more
select pg_temp.fill(:'large', 250);
insert into public.generations (project_id, user_id) select :'large', :'owner' from generate_series(1, 20);
select tests.authenticate_as(:'owner');
delete from public.projects where id = :'large';
select is_empty('select from public.projects', 'Its owner does not see it any more');
select tests.clear_authentication();
select is(pg_temp.tasks_of(:'large'), 250, 'Its tasks are all there');
select results_eq(
  'select kind, user_id, reason from fairlane_core.deferred_work', format($$ values ('project', %L::uuid, 'user:%s') $$, :'owner', :'owner'),
  'What is left to do is written down once, and who deleted'
);
select is(
  pg_temp.sum_of(format('insert into public.tasks (task_type, project_id) values (''clip'', %L)', :'large')), '404 PROJECT_NOT_FOUND',
  'No task comes any more'
);
select is(
  tests.answer(format('public.create_task(tests.service(), %L)', jsonb_build_object('task_type', 'clip', 'project', :'large'))), '404 PROJECT_NOT_FOUND',
  'Neither by the function'
);
select is(
  tests.answer(format('public.move_project(%L, %L)', :'large', :'bystander')), '404 PROJECT_NOT_FOUND', 'It is not given away'
);
delete from public.projects where id = :'large';
select is((select count(*)::integer from fairlane_core.deferred_work), 1, 'To delete it once more adds nothing');
select fairlane_core.settle_deferred() \g /dev/null
select is((select count(*)::integer from public.generations), 0, 'Results go first');
select fairlane_core.settle_deferred() \g /dev/null
select is(pg_temp.tasks_of(:'large'), 150, 'Then a hundred tasks a piece');
select is_empty('select * from fairlane_core.drift()', 'The counters are right in between');
select pg_temp.settle() as pieces \gset
select is_empty(format('select from public.projects where id = %L', :'large'), 'In the end the project itself');
select is(pg_temp.tasks_of(:'large'), 0, 'And every task of it');
select is_empty('select * from fairlane_core.drift()', 'The counters are right');
select is(
  (select count(*)::integer from public.task_events as e where e.reason = 'deleted' and e.actor = 'user:' || :'owner'), 350, 'The history says whose deletion it was'
);

-- TEST: who takes the mark off again keeps what is left
select tests.create_project(:'owner') as regretted \gset
select pg_temp.fill(:'regretted', 250);
delete from public.projects where id = :'regretted';
select fairlane_core.settle_deferred() \g /dev/null
update public.projects set deleted_at = null where id = :'regretted';
select pg_temp.settle() as pieces \gset
select is(pg_temp.tasks_of(:'regretted'), 150, 'A project whose mark is taken off keeps what it still has');

-- TEST: a user with more than a hundred
insert into public.user_api_tokens (user_id, token_hash) values (:'owner', repeat('1', 64));
select tests.authenticate_as('service_role');
delete from public.users where id = :'owner';
select tests.clear_authentication();
select isnt_empty(format('select from public.users where id = %L', :'owner'), 'A user with more tasks is still there');
select is_empty(format('select from public.user_api_tokens where user_id = %L', :'owner'), 'Tokens are gone at once');
select is((select s.task_limit from fairlane_core.user_slots as s where s.user_id = :'owner'), 0, 'Nothing of theirs starts any more');
select is(
  tests.claim('gpu-1'),
  :'others_task', 'A claim gets what is somebody else''s'
);
update public.users set credits = 1000, max_in_progress = 10 where id = :'owner';
select is((select s.task_limit from fairlane_core.user_slots as s where s.user_id = :'owner'), 0, 'Not even after a top-up');
select is_empty('select * from fairlane_core.drift()', 'The counters are right');
select is(
  pg_temp.sum_of(format('insert into public.tasks (task_type, project_id) values (''clip'', %L)', :'regretted')), '404 PROJECT_NOT_FOUND',
  'No task comes any more'
);
select tests.authenticate_as(:'owner');
select is_empty('select from public.projects', 'They do not see their projects');
select tests.clear_authentication();
select pg_temp.settle() as pieces \gset
select is_empty(format('select from public.users where id = %L', :'owner'), 'In the end the user is gone');
select is_empty(format('select from public.tasks where user_id = %L', :'owner'), 'With every task');
select is_empty(format('select from public.projects where user_id = %L', :'owner'), 'And every project');
select is((select count(*)::integer from fairlane_core.deleted_users as d where d.user_id = :'owner'), 1, 'The history will forget them');
select is_empty('select * from fairlane_core.drift()', 'The counters are right');
select is((tests.task(:'others_task')).status, 'In Progress', 'Everybody else is as before');

-- TEST: many projects
select tests.create_user() as collector \gset
select tests.create_project(:'collector') as project from generate_series(1, 1001) \g /dev/null
delete from public.users where id = :'collector';
select pg_temp.settle() as pieces \gset
select is_empty(format('select from public.users where id = %L', :'collector'), 'A user with a thousand projects goes, too');
select cmp_ok(:pieces, '>', 1, 'In more than one piece');

-- TEST: by Supabase's Auth, where the app has tied its users to it
select tests.create_user() as signed_up \gset
select tests.create_project(:'signed_up') as project \gset
select pg_temp.fill(:'project', 150);
insert into auth.users (id) select u.id from public.users as u;
alter table public.users add constraint users_sign_in foreign key (id) references auth.users (id) on delete cascade;
set local role supabase_auth_admin;
delete from auth.users where id = :'signed_up';
reset role;
select is_empty(format('select from auth.users where id = %L', :'signed_up'), 'The account is gone at once');
select is(pg_temp.tasks_of(:'project'), 150, 'The tasks are not');
select pg_temp.settle() as pieces \gset
select is_empty(format('select from public.users where id = %L', :'signed_up'), 'They follow, and the user with them');

select * from finish();
rollback;
