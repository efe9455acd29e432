begin;
select plan(14);

-- SETUP: Ana and Ben with tasks of every readiness in both pools
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 20) as ana \gset
select tests.create_user(p_max_in_progress => 20) as ben \gset
create function pg_temp.fill(p_user uuid) returns void language plpgsql as $$
declare
  v_running uuid := tests.create_task_in('In Progress', p_user, 'clip');
  v_type text;
begin
  foreach v_type in array array['clip', 'edit_image', 'film_orchestrator', 'sharpen'] loop
    perform tests.create_task_in(s, p_user, v_type) from unnest('{Queued,Rescued,In Progress,Complete,Failed,Cancelled}'::text[]) as s;
    perform tests.create_task(p_user, v_type, p_dependant_on => v_running);
    perform tests.create_task(p_user, v_type, p_age => '8 days');
  end loop;
end;
$$;
select pg_temp.fill(:'ana'), pg_temp.fill(:'ben');
select is_empty('select * from tests.drift()', 'The counters are right to begin with');

-- TEST: types come, change and go, also while tasks of theirs run
insert into public.task_types (name, run_type, category) values ('sharpen', 'api', 'utility');
select is_empty('select * from tests.drift()', 'After a type became known');
update public.task_types set category = 'orchestration' where name = 'sharpen';
select is_empty('select * from tests.drift()', 'After it became orchestration');
update public.task_types set category = 'processing', run_type = 'gpu' where name = 'sharpen';
select is_empty('select * from tests.drift()', 'After it went back, and to the other pool');
update public.task_types set is_active = false;
select is_empty('select * from tests.drift()', 'After every type was switched off');
update public.task_types set is_active = true;
select is_empty('select * from tests.drift()', 'After every type was switched on');
delete from public.task_types where name = 'sharpen';
select is_empty('select * from tests.drift()', 'After a type was forgotten');

-- TEST: limits and credits of all users at once
update public.users set credits = 0, max_in_progress = null;
select is_empty('select * from tests.drift()', 'After everybody''s credits ran out');
update fairlane_core.settings set default_task_limit = 1;
select is_empty('select * from tests.drift()', 'After the default limit went down');
update public.users set credits = 10;
update fairlane_core.settings set default_task_limit = 50;
select is_empty('select * from tests.drift()', 'After both went up');

-- TEST: a project goes with its tasks
delete from public.projects where user_id = :'ana';
select is_empty('select * from tests.drift()', 'After a project was deleted');
select pg_temp.fill(:'ana');

-- TEST: a user goes with all that is theirs, and nobody else's
delete from public.users where id = :'ana';
select is_empty('select * from tests.drift()', 'After a user was deleted');
select is((select count(*)::integer from public.tasks where user_id = :'ana'), 0, 'Nothing of theirs is left');
select ok((select count(*) > 0 from public.tasks where user_id = :'ben'), 'Everything of the other user is');

select * from finish();
rollback;
