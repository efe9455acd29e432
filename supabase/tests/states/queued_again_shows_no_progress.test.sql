begin;
select plan(4);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 5) as owner \gset
select tests.create_task(:'owner') as task \gset
select tests.claim('gpu-1');
select public.update_task_status(tests.service(), :'task', 'In Progress', 'step 16/20');
select is((tests.task(:'task')).output_location, 'step 16/20', 'A running task shows how far it is');

-- TEST: released, or reset by a direct change
select public.update_task_status(tests.service(), :'task', 'Queued');
select is((tests.task(:'task')).output_location, null, 'Handed back it shows nothing of that');
select tests.claim('gpu-2');
update public.tasks set output_location = 'step 3/20' where id = :'task';
update public.tasks set status = 'Queued', error_message = 'Reset' where id = :'task';
select is((tests.task(:'task')).output_location, null, 'Nor after a reset');
select tests.step_clock('1 hour');
select tests.claim('gpu-3');
update public.tasks set status = 'Queued', output_location = 'Out of memory' where id = :'task';
select is((tests.task(:'task')).output_location, 'Out of memory', 'What is said with it stays');

select * from finish();
rollback;
