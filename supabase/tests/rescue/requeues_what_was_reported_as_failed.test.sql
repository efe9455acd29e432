begin;
select plan(9);

-- SETUP: gpu-old had a task, was reset by hand and beats on; gpu-new has it, says that it failed, and claims no more
select tests.empty_queue();
delete from public.workers;
select tests.create_user() as owner \gset
insert into public.workers (id, status, last_heartbeat) values ('gpu-old', 'active', fairlane_core.now()), ('gpu-new', 'active', fairlane_core.now());
select tests.create_task(:'owner', 'clip') as task \gset
select tests.claim('gpu-old');
update public.tasks set status = 'Queued', error_message = 'Reset - by hand' where id = :'task';
select tests.claim('gpu-new');
select public.update_task_status(tests.service(), :'task', 'Failed', 'boom');
create function pg_temp.after(p_minutes integer) returns text language plpgsql as $$
begin
  perform tests.step_clock(make_interval(mins => p_minutes));
  update public.workers set last_heartbeat = fairlane_core.now();
  return (select string_agg(l.cause, ' ') from fairlane_core.stalled_tasks() as l);
end;
$$;

-- TEST: until it is clear that nobody is at work on it
select is((tests.task(:'task')).status, 'In Progress', 'A failure that may be another''s is not applied');
select is(fairlane_core.told_reason(tests.task(:'task')), 'boom', 'But kept');
select is(pg_temp.after(14), null, 'Somebody may be at work on it');
select is(pg_temp.after(2), 'failure_told', 'Then nobody has named it for too long');

-- TEST: who names it is at work on it
update public.tasks set reported_at = fairlane_core.now() where id = :'task';
select is(pg_temp.after(1), null, 'It is named again');
select is(pg_temp.after(16), 'failure_told', 'And again not');

-- TEST: back with the reason, and counted
select fairlane_core.rescue();
select is((tests.task(:'task')).status, 'Queued', 'It goes back');
select is((tests.task(:'task')).attempts, 2, 'The start counts');
select matches((tests.task(:'task')).error_message, 'reported as failed, and nobody has named it for \d+ s: boom$', 'With the reported reason');

select * from finish();
rollback;
