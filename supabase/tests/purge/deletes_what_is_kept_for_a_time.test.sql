begin;
select plan(21);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
delete from public.system_logs;
create function pg_temp.purge(p_dry_run boolean default false) returns jsonb language plpgsql as $$
declare
  v_reply jsonb;
begin
  set local role service_role;
  v_reply := fairlane_core.purge(5000, p_dry_run);
  reset role;
  return v_reply;
end;
$$;

-- TEST: logs
insert into public.system_logs ("timestamp", source_type, log_level, message) values
  (fairlane_core.now() - interval '48 hours', 'worker', 'INFO', 'young enough'),
  (fairlane_core.now() - interval '48 hours 1 second', 'worker', 'INFO', 'too old');
select is(pg_temp.purge(true) ->> 'logs', '1', 'A dry run counts the logs that are too old');
select is((select count(*)::integer from public.system_logs), 2, 'And deletes none');
select is(pg_temp.purge() ->> 'logs', '1', 'The purge does');
select is((select l.message from public.system_logs as l), 'young enough', 'The right one');

-- TEST: tokens, a month after their end
select tests.with_token(:'owner', fairlane_core.now() - interval '29 days') as recent \gset
select tests.with_token(:'owner', fairlane_core.now() - interval '31 days') as old \gset
select tests.with_token(:'owner') as endless \gset
select is(pg_temp.purge() ->> 'tokens', '1', 'One token ended long ago');
select is(tests.token_id(:'old'), null, 'It is gone');
select isnt(tests.token_id(:'endless'), null, 'One without an end stays');

-- TEST: what pg_cron wrote about its runs
insert into cron.job_run_details (runid, username, command, status, start_time, end_time) values
  (-1, current_user, 'select fairlane_core.run_job(1)', 'succeeded', fairlane_core.now() - interval '8 days', fairlane_core.now() - interval '7 days 1 second'),
  (-2, current_user, 'select fairlane_core.run_job(2)', 'failed', fairlane_core.now() - interval '7 days', null),
  (-3, current_user, 'select fairlane_core.run_job(3)', 'starting', null, null),
  (-4, current_user, 'select public.job_of_the_app()', 'succeeded', fairlane_core.now() - interval '9 days', fairlane_core.now() - interval '8 days');
select cmp_ok((pg_temp.purge(true) ->> 'cron_runs')::integer, '>=', 1, 'A dry run counts the records of runs a week ago');
select cmp_ok((pg_temp.purge() ->> 'cron_runs')::integer, '>=', 1, 'The purge deletes them');
select set_eq(
  'select r.runid from cron.job_run_details as r where r.runid < 0', array[-2, -3, -4]::bigint[],
  'Not the younger ones, nor one that has only just begun, nor one of the app'
);

-- TEST: history and finished tasks stay for ever, until the settings say otherwise
select tests.create_task_in('Complete', :'owner') as old_task \gset
select tests.create_task_in('Complete', :'owner') as needed \gset
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator') as parent \gset
select tests.create_task_in('Complete', :'owner', p_params => jsonb_build_object(fairlane_core.parent_key(), :'parent')) as child \gset
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator') as failed_parent \gset
select tests.create_task_in('In Progress', :'owner', p_params => jsonb_build_object(fairlane_core.parent_key(), :'failed_parent')) as live_child \gset
update public.tasks set status = 'Failed', error_message = 'broken' where id = :'failed_parent';
select tests.step_clock('400 days');
select tests.create_task(:'owner', p_dependant_on => :'needed') as dependent \gset
update public.tasks set status = 'In Progress', worker_id = 'w', lease_token = gen_random_uuid() where id = :'dependent';
select tests.create_task_in('Complete', :'owner') as new_task \gset
select is(pg_temp.purge() ->> 'tasks', '0', 'Finished tasks are kept');
select is(pg_temp.purge() ->> 'events', '0', 'So is history');
update fairlane_core.settings set finished_task_retention = '90 days', event_retention = '90 days';
select is(
  pg_temp.purge(true) -> 'due' -> 0 ->> 'task_id', :'old_task', 'With a setting, a dry run names the old one'
);
select is(pg_temp.purge() ->> 'tasks', '1', 'And it goes');
select is((tests.task(:'old_task')).id, null, 'The old one');
select isnt((tests.task(:'needed')).id, null, 'Not one that a live task waited for');
select isnt((tests.task(:'child')).id, null, 'Not the child of a live parent');
select isnt((tests.task(:'failed_parent')).id, null, 'Not the parent of a live child');
select is((tests.task(:'live_child')).status, 'In Progress', 'Which goes on');
select isnt((tests.task(:'new_task')).id, null, 'Not a new one');
select is(
  (select count(*)::integer from public.task_events as e where e.at < fairlane_core.now() - interval '90 days'), 0, 'And old history goes'
);

select * from finish();
rollback;
