begin;
select plan(3);

-- SETUP: one has ended long ago and works again under its old name, one ends now; one statement writes both rows
select tests.empty_queue();
select tests.create_user() as owner \gset
insert into public.workers (id, status) values ('gpu-long-ended', 'terminated'), ('gpu-ends-now', 'active');
select tests.create_task_in('In Progress', :'owner', p_worker_id => 'gpu-long-ended') as of_long_ended \gset
select tests.create_task_in('In Progress', :'owner', p_worker_id => 'gpu-ends-now') as of_ends_now \gset
update public.workers set status = 'terminated' where id in ('gpu-long-ended', 'gpu-ends-now');

-- TEST: only an end gives work back, not a row that says once more that it has ended
select is((tests.task(:'of_ends_now')).status, 'Queued', 'The task of a worker that has just ended is back');
select is((tests.task(:'of_long_ended')).status, 'In Progress', 'That of one that had ended before is left alone');
select is_empty('select * from tests.drift()', 'The counters have followed');

select * from finish();
rollback;
