begin;
select plan(13);

-- SETUP: a task that everything holds back at once; one obstacle after the other goes away
select tests.empty_queue();
create function pg_temp.reason(p_task_id uuid) returns text language sql as $$
  select tests.answer(format('public.explain_task(tests.service(), %L) ->> ''reason''', p_task_id));
$$;
insert into public.task_types (name, is_active) values ('resting', false);
select tests.create_user(
  p_credits => 0,
  p_settings => tests.switches(false, false),
  p_max_in_progress => 0
) as owner \gset
select tests.create_project(:'owner') as project \gset
select gen_random_uuid() as missing \gset
select tests.create_task(:'owner') as pending_parent \gset
select tests.create_task(:'owner', 'resting', p_age => '30 days', p_dependant_on => :'missing') as task \gset
insert into fairlane_core.task_dependencies values (:'task', :'pending_parent');
alter table public.tasks disable trigger tasks_before_update;
update public.tasks set user_id = null, run_type = null, available_at = fairlane_core.now() + interval '1 hour' where id = :'task';
alter table public.tasks enable trigger tasks_before_update;

-- TEST: in the order in which reasons are reported
select is(pg_temp.reason(:'task'), 'no_owner', 'no_owner comes first');
alter table public.tasks disable trigger tasks_before_update;
update public.tasks set user_id = :'owner' where id = :'task';
select is(pg_temp.reason(:'task'), 'no_run_type', 'Then no_run_type');
update public.tasks set run_type = 'cloud' where id = :'task';
alter table public.tasks enable trigger tasks_before_update;
select is(pg_temp.reason(:'task'), 'type_inactive', 'Then type_inactive');
update public.task_types set is_active = true where name = 'resting';
select is(pg_temp.reason(:'task'), 'not_yet', 'Then not_yet');
update public.tasks set available_at = null where id = :'task';
select is(pg_temp.reason(:'task'), 'dependency_pending', 'Then dependency_pending, even when another dependency is lost');
update public.tasks set status = 'In Progress', lease_token = gen_random_uuid(), claimed_at = fairlane_core.now() where id = :'pending_parent';
update public.tasks set status = 'Complete' where id = :'pending_parent';
select is(pg_temp.reason(:'task'), 'dependency_lost', 'Then dependency_lost');
update public.tasks set dependant_on = null where id = :'task';
delete from fairlane_core.task_dependencies where task_id = :'task';
select fairlane_core.recompute_readiness(array[:'task'::uuid]);
select is(pg_temp.reason(:'task'), 'no_credits', 'Then no_credits');
update public.users set credits = 1 where id = :'owner';
select is(pg_temp.reason(:'task'), 'cloud_disabled', 'Then cloud_disabled');
update public.users set settings = tests.switched('local', 'false') where id = :'owner';
select is(pg_temp.reason(:'task'), 'user_at_limit', 'Then user_at_limit');

-- TEST: a local task asks its owner's machine, not the cloud
update public.tasks set run_type = 'local' where id = :'task';
select is(pg_temp.reason(:'task'), 'local_disabled', 'For a local task local_disabled comes before user_at_limit');
update public.users set settings = tests.switched('cloud', 'false'), credits = 0 where id = :'owner';
select is(pg_temp.reason(:'task'), 'user_at_limit', 'A local task asks for no credits and no cloud');
update public.users set max_in_progress = 1 where id = :'owner';
select tests.step_clock('8 days'); -- since what it waited for has ended
select is(pg_temp.reason(:'task'), 'stale', 'stale comes last');
update public.tasks set created_at = fairlane_core.now() where id = :'task';
select is(pg_temp.reason(:'task'), null, 'And then nothing holds it back');

select * from finish();
rollback;
