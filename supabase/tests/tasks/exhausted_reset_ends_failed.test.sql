begin;
select plan(15);

-- SETUP: tasks at their last start, reset by an orchestrator
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
insert into public.task_types (name, max_attempts) values ('fragile', 1), ('tough', 5);
create function pg_temp.reset(
  p_task_id uuid, p_error_message text default null, p_error_details text default null
) returns public.tasks language plpgsql as $$
begin
  set local role service_role;
  update public.tasks as t
  set status = 'Queued', worker_id = null, generation_started_at = null,
    error_message = coalesce(p_error_message, t.error_message), error_details = coalesce(p_error_details, t.error_details)
  where t.id = p_task_id;
  reset role;
  return tests.task(p_task_id);
end;
$$;

-- TEST: three starts by default
select is(
  (pg_temp.reset(tests.create_task_in('In Progress', :'owner', p_attempts => 2), 'Reset')).status, 'Queued',
  'A task that was started twice is requeued'
);
select tests.create_task_in('In Progress', :'owner', p_attempts => 3) as task \gset
select pg_temp.reset(:'task', 'Reset - orphaned from failed worker');
select is((tests.task(:'task')).status, 'Failed', 'A task that was started three times ends Failed');
select matches((tests.task(:'task')).error_message, '3.*Reset - orphaned from failed worker', 'With the count and the last reason');
select is((tests.task(:'task')).output_location, (tests.task(:'task')).error_message, 'Where deployed clients look, too');
select is((tests.task(:'task')).worker_id, 'gpu-holder', 'The worker that had it last stays on it');
select is(
  (select e.to_status from public.task_events as e where e.task_id = :'task' order by e.id desc limit 1), 'Failed',
  'The history ends with Failed'
);

-- TEST: the reason of this reset, not of an earlier one, and not a progress text
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator', p_attempts => 3) as orchestrator \gset
update public.tasks set output_location = 'Successfully enqueued 3 tasks', error_message = 'Reset - an earlier one' where id = :'orchestrator';
select pg_temp.reset(:'orchestrator', p_error_details => 'FATAL cuda_driver: device lost');
select matches(
  (tests.task(:'orchestrator')).error_message, 'FATAL cuda_driver: device lost', 'A fatal error in error_details is the last reason'
);
select is(
  (tests.task(:'orchestrator')).output_location, (tests.task(:'orchestrator')).error_message,
  'The reason replaces the progress text'
);

-- TEST: nothing said is a reason too
select isnt(
  (pg_temp.reset(tests.create_task_in('In Progress', :'owner', p_attempts => 3))).error_message, null, 'No reason given: it says so'
);

-- TEST: a type may say how often
select is(
  (pg_temp.reset(tests.create_task_in('In Progress', :'owner', 'fragile'), 'Reset')).status, 'Failed', 'A type may allow one start'
);
select is(
  (pg_temp.reset(tests.create_task_in('In Progress', :'owner', 'tough', p_attempts => 4), 'Reset')).status, 'Queued',
  'A type may allow more than three'
);
update fairlane_core.settings set max_attempts = 2;
select is(
  (pg_temp.reset(tests.create_task_in('In Progress', :'owner', p_attempts => 2), 'Reset')).status, 'Failed', 'The default is a setting'
);

-- TEST: no task waits at its last attempt for ever
select is_empty(
  $$
    select t.id
    from public.tasks as t
    where t.status = 'Queued'
      and t.attempts >= coalesce((select y.max_attempts from public.task_types as y where y.name = t.task_type), 3)
  $$,
  'No task is Queued that may not be started any more'
);

-- TEST: handing back through the function is no failed start
select tests.create_task_in('In Progress', :'owner', 'fragile') as handed_back \gset
select is(
  public.update_task_status(tests.service(), :'handed_back', 'Queued', p_error_message => 'lost the gpu') ->> 'status', 'Queued'::text,
  'update_task_status(Queued) at the last attempt puts the task back'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
