begin;
select plan(15);

-- SETUP: a user and a setting of their own, no task
select tests.empty_queue();
select tests.create_user() as owner \gset
update fairlane_core.settings set default_task_limit = 9;

-- TEST: a queue that is in use is left alone
select tests.create_task(:'owner') as task \gset
select throws_ok('select fairlane_core.begin_restore()', '55000', null, 'begin_restore() refuses a queue that has tasks');
delete from public.tasks;

-- TEST: ready for the rows of another database
select isnt(fairlane_core.begin_restore() ->> 'triggers_disabled', '0', 'begin_restore() switches the queue''s triggers off');
select is((select count(*)::integer from fairlane_core.settings), 0, 'What migrations ship is gone');
select is((select count(*)::integer from public.task_types), 0, 'Types, too');
select is((select count(*)::integer from cron.job where jobname like 'fairlane-%'), 0, 'No job runs over half a queue');
select is((select count(*)::integer from public.users where id = :'owner'), 1, 'Nothing of anybody''s is');

-- TEST: rows come as they are, also those that no insert may make
insert into public.tasks (id, task_type, status, user_id, project_id, output_location, readiness, pool, takes_slot)
select gen_random_uuid(), 'clip', 'Complete', p.user_id, p.id, 'a.mp4', null, 'gpu', true
from public.projects as p
where p.user_id = :'owner';
insert into public.task_events (id, task_id, at, to_status, attempt, actor) overriding system value
select 900000000, gen_random_uuid(), now(), 'Complete', 1, 'restore' from (values (1)) as v;
select is((select count(*)::integer from public.tasks where status = 'Complete'), 1, 'A finished task is not begun anew');

-- TEST: rebuilt
select fairlane_core.rebuild() as did \gset
select is((:'did'::jsonb ->> 'drift')::integer, 0, 'rebuild() leaves no drift');
select is((:'did'::jsonb ->> 'sequences_moved')::integer, 1, 'It moves the sequence that is behind');
select is((select count(*)::integer from pg_trigger where tgenabled = 'D'), 0, 'It switches the triggers on');
select is((select default_task_limit from fairlane_core.settings), 5, 'Settings that did not come are the shipped ones');
select ok((select count(*) > 5 from cron.job where jobname like 'fairlane-%'), 'The jobs are there');
select is((fairlane_core.rebuild()::jsonb - 'drift'), '{"owners_repaired": 0, "triggers_enabled": 0, "sequences_moved": 0, "wide_grants": []}', 'Once more finds nothing to do');
select tests.create_task(:'owner') as next \gset
select is((tests.task(:'next')).readiness, 'ready', 'The rules hold again');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
