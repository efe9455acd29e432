begin;
select plan(2);

-- SETUP
select tests.empty_queue();
select tests.create_user() as ana \gset
select tests.create_user() as ben \gset
select tests.create_project(:'ben') as bens_project \gset
select tests.create_task(:'ana') as task \gset
create function pg_temp.move(p_task_id uuid, p_project_id uuid) returns text language plpgsql as $$
begin
  set local role service_role;
  update public.tasks set project_id = p_project_id where id = p_task_id;
  reset role;
  return 'moved';
exception when insufficient_privilege then
  return 'refused';
end;
$$;

-- TEST: a task that is moved to another owner's project changes hands, or is not moved
select pg_temp.move(:'task', :'bens_project');
select is(
  (tests.task(:'task')).user_id, (select p.user_id from public.projects as p where p.id = (tests.task(:'task')).project_id),
  'The owner of a task is always the owner of its project'
);
select is_empty('select * from tests.drift()', 'The counters follow');

select * from finish();
rollback;
