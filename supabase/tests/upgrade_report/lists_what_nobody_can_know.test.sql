begin;
select plan(9);

-- SETUP: rows as only an old database can have them
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner') as fine \gset
select tests.create_task(:'owner', p_age => '1 second') as no_run_type \gset
select tests.create_task(:'owner', p_age => '2 seconds') as no_owner \gset
select tests.create_task(:'owner', p_age => '3 seconds') as no_reason \gset
select tests.create_task(:'owner', p_age => '4 seconds') as no_generation \gset
select tests.create_task(:'owner', p_age => '5 seconds') as unknown_status \gset
select tests.create_task(:'owner', p_age => '6 seconds') as finished \gset
select tests.create_task(:'owner', p_age => '7 seconds') as no_age \gset
alter table public.tasks disable trigger user;
update public.tasks set run_type = null where id <> :'fine';
update public.tasks set user_id = null where id = :'no_owner';
update public.tasks set status = 'Failed', readiness = null where id = :'no_reason';
update public.tasks set status = 'Complete', readiness = null where id in (:'no_generation', :'finished', :'no_age');
update public.tasks set generation_processed_at = created_at + interval '1 second' where id = :'finished';
update public.tasks set generation_processed_at = created_at - interval '1 second' where id = :'no_age';
update public.tasks set status = 'Paused' where id = :'unknown_status';
alter table public.tasks enable trigger user;
insert into public.generations (task_id, user_id) values (:'finished', :'owner'), (:'no_age', :'owner');

-- TEST: each problem, oldest first
select results_eq(
  'select r.task_id, r.problem from fairlane_core.upgrade_report() as r',
  format(
    'values (%L::uuid, %L), (%L, %L), (%L, %L), (%L, %L), (%L, %L), (%L, %L)',
    :'no_age', 'no_age', :'unknown_status', 'unknown_status', :'no_generation', 'no_generation', :'no_reason', 'no_reason',
    :'no_owner', 'no_owner', :'no_run_type', 'no_run_type'
  ),
  'Lists what could not be found out, and nothing else'
);
select is((select count(*)::integer from fairlane_core.upgrade_report() as r where r.what_to_do is null), 0, 'And what to do with each');

-- TEST: what it says to do helps
update public.tasks set run_type = 'cloud' where id = :'no_run_type';
select is((tests.task(:'no_run_type')).readiness, 'ready', 'With a run type a task may run');
update public.tasks as t
set project_id = p.id, user_id = p.user_id
from public.projects as p
where p.user_id = :'owner' and t.id = :'no_owner';
select is((tests.task(:'no_owner')).readiness, 'no_run_type', 'With an owner it only lacks the run type');
update public.tasks set run_type = 'cloud' where id = :'no_owner';
select is((tests.task(:'no_owner')).readiness, 'ready', 'With both it may run');
select is((public.repair_generations(1000, false)::jsonb ->> 'missing')::integer, 1, 'A missing record is made');
select results_eq(
  'select r.problem from fairlane_core.upgrade_report() as r', array['no_age', 'unknown_status', 'no_reason'], 'What is left nobody can repair'
);

-- TEST: it is for operators
set local role service_role;
select throws_ok('select * from fairlane_core.upgrade_report()', '42501', null, 'Not for service keys');
set local role authenticated;
select throws_ok('select * from fairlane_core.upgrade_report()', '42501', null, 'Nor for users');

select * from finish();
rollback;
