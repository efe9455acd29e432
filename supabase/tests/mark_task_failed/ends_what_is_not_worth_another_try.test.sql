begin;
select plan(12);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
insert into public.task_types (name, is_retryable) values ('one_shot', false);

-- TEST: when the worker says so
select tests.create_task_in('In Progress', :'owner') as task \gset
select public.mark_task_failed(tests.service(), :'task', 'the prompt is empty', p_retryable => false) as reply \gset
select is((tests.task(:'task')).status, 'Failed', 'A failure that is not retryable is final');
select is(:'reply'::jsonb ->> 'will_retry', 'false', 'And the caller is told');
select is((tests.task(:'task')).output_location, 'the prompt is empty', 'The reason is where deployed clients look');

-- TEST: when the type says so
select is(
  public.mark_task_failed(tests.service(), tests.create_task_in('In Progress', :'owner', 'one_shot'), 'boom') ->> 'status',
  'Failed', 'A type that is not retried ends at its first failure'
);
select is(
  public.mark_task_failed(tests.service(), tests.create_task_in('In Progress', :'owner', 'unheard_of'), 'boom') ->> 'status',
  'Queued', 'A type that nobody knows is tried again'
);

-- TEST: when the starts are used up: the setting's, the type's, the task's own
select is(
  public.mark_task_failed(tests.service(), tests.create_task_in('In Progress', :'owner', p_attempts => 3), 'boom') ->> 'status',
  'Failed', 'The third attempt is the last'
);
update public.task_types set max_attempts = 5 where name = 'clip';
select is(
  public.mark_task_failed(tests.service(), tests.create_task_in('In Progress', :'owner', p_attempts => 3), 'boom') ->> 'status',
  'Queued', 'Unless its type allows five'
);
select tests.create_task_in('In Progress', :'owner', p_attempts => 3) as own \gset
update public.tasks set max_attempts = 3 where id = :'own';
select is(
  public.mark_task_failed(tests.service(), :'own', 'boom') ->> 'status', 'Failed', 'Or the task itself says three'
);

-- TEST: never without a reason, whichever field it came in; long texts are whole in the history
select is(
  public.mark_task_failed(tests.service(), tests.create_task_in('In Progress', :'owner'), null, 'trace') ->> 'error_message',
  'trace', 'Details alone are the reason'
);
select isnt(
  coalesce(public.mark_task_failed(tests.service(), tests.create_task_in('In Progress', :'owner')) ->> 'error_message', ''),
  '', 'No reason at all becomes one'
);
select tests.create_task_in('In Progress', :'owner') as long \gset
select public.mark_task_failed(tests.service(), :'long', repeat('x', 20000));
select ok(length((tests.task(:'long')).error_message) < 17000, 'A long text is cut on the task');
select is(
  (select length(e.details ->> 'error_message') from public.task_events as e where e.task_id = :'long' order by e.id desc limit 1),
  20000, 'And whole in its history'
);

select * from finish();
rollback;
