begin;
select plan(7);

-- SETUP: a row to which every reason applies, so that taking one away shows the next
select tests.empty_queue();
select tests.create_user(p_credits => 0) as owner \gset
insert into public.task_types (name, is_active) values ('retired', false);
select tests.create_project(:'owner') as project \gset
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator') as pending \gset
select tests.create_task(:'owner', 'retired', p_age => '30 days', p_dependant_on => :'pending') as task \gset
update public.tasks set available_at = fairlane_core.now() + interval '1 day', run_type = null, user_id = null, project_id = null
where id = :'task';

-- TEST: the order
select is(tests.counts() -> 'blocked', '{"no_owner": 1}', 'no_owner comes first');
update public.tasks set user_id = :'owner', project_id = :'project' where id = :'task';
select is(tests.counts() -> 'blocked', '{"no_run_type": 1}', 'Then no_run_type');
update public.tasks set run_type = 'cloud' where id = :'task';
select is(tests.counts() -> 'blocked', '{"type_inactive": 1}', 'Then type_inactive');
update public.task_types set is_active = true where name = 'retired';
select is(tests.counts() -> 'blocked', '{"not_yet": 1}', 'Then not_yet');
update public.tasks set available_at = null where id = :'task';
select is(tests.counts() -> 'blocked', '{"dependency_pending": 1}', 'Then dependency_pending');
delete from fairlane_core.task_dependencies where task_id = :'task';
update public.tasks set dependant_on = gen_random_uuid(), readiness = null where id = :'task';
select is(tests.counts() -> 'blocked', '{"dependency_lost": 1}', 'Then dependency_lost');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
