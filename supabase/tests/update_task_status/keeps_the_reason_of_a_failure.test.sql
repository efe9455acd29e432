begin;
select plan(20);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
create function pg_temp.fail(
  p_owner uuid, p_output_location text default null, p_error_message text default null, p_error_details text default null,
  p_progress text default null
) returns public.tasks language plpgsql as $$
declare
  v_task_id uuid := tests.create_task_in('In Progress', p_owner);
begin
  if p_progress is not null then
    perform public.update_task_status(tests.service(), v_task_id, 'In Progress', p_progress);
  end if;
  perform public.update_task_status(
    tests.service(), v_task_id, 'Failed', p_output_location, p_error_message, p_error_details
  );
  return tests.task(v_task_id);
end;
$$;

-- TEST: whichever field it came in
select is((pg_temp.fail(:'owner', 'out of memory')).error_message, 'out of memory', 'A reason in output_location is the reason');
select is(
  (pg_temp.fail(:'owner', p_error_message => 'out of memory')).error_message, 'out of memory', 'A reason in error_message is the reason'
);
select is(
  (pg_temp.fail(:'owner', p_error_details => 'out of memory')).error_message, 'out of memory', 'A reason in error_details is the reason'
);
select is(
  (pg_temp.fail(:'owner', '', 'out of memory', '')).error_message, 'out of memory', 'An empty text is no reason'
);
select is(
  (pg_temp.fail(:'owner', 'out of memory', '')).error_message, 'out of memory', 'An empty error_message does not hide the reason'
);
select is(
  (pg_temp.fail(:'owner', p_error_message => 'out of memory', p_error_details => 'at line 7')).error_details, 'at line 7',
  'Details are kept beside the reason'
);

-- TEST: where deployed clients look
select is((pg_temp.fail(:'owner', 'boom')).output_location, 'boom', 'The reason stays in output_location');
select is((pg_temp.fail(:'owner', p_error_message => 'boom')).output_location, 'boom', 'Or gets there');
select is(
  (pg_temp.fail(:'owner', p_error_message => 'boom', p_progress => 'Enqueued 3 tasks')).output_location, 'boom',
  'Instead of the last progress text'
);

-- TEST: never nothing
select isnt(coalesce((pg_temp.fail(:'owner')).error_message, ''), '', 'A failure without a reason gets one');
select isnt(
  (pg_temp.fail(:'owner', p_progress => 'Enqueued 3 tasks')).error_message, 'Enqueued 3 tasks', 'Which is not the last progress text'
);

-- TEST: the history tells the reason
select t.id as task from pg_temp.fail(:'owner', 'cuda died') as t \gset
select is(
  (select e.reason from public.task_events as e where e.task_id = :'task' order by e.id desc limit 1), 'cuda died',
  'The event has the reason'
);

-- TEST: a failure that comes after the end is only recorded
select public.update_task_status(tests.service(), :'task', 'Failed', 'another reason');
select is((tests.task(:'task')).error_message, 'cuda died', 'A second failure does not replace the first reason');
select tests.create_task_in('Complete', :'owner') as complete \gset
select public.update_task_status(tests.service(), :'complete', 'Failed', 'Upload failed: timeout') as reply \gset
select is(:'reply'::jsonb ->> 'status', 'Complete'::text, 'A failure of a complete task is answered with what is stored');
select is((tests.task(:'complete')).output_location, 'https://files/first.mp4', 'The result stays');
select is((tests.task(:'complete')).error_message, null, 'And the task has no error');
select matches(
  (select e.reason from public.task_events as e where e.task_id = :'complete' order by e.id desc limit 1), 'Upload failed: timeout',
  'The report is in the history'
);

-- TEST: an error that is not text for a database
select is(
  (pg_temp.fail(:'owner', E'emoji 💥 and \t tabs\n and lines')).error_message, E'emoji 💥 and \t tabs\n and lines',
  'Any text is kept as it is'
);

-- TEST: what a cancelled task says
select tests.create_task(:'owner') as cancelled \gset
select public.update_task_status(tests.signed_in(:'owner'), :'cancelled', 'Cancelled', p_error_message => 'changed my mind');
select is(
  (select e.reason from public.task_events as e where e.task_id = :'cancelled' order by e.id desc limit 1), 'changed my mind',
  'A cancellation''s reason is in the history'
);
select is(
  (select e.actor from public.task_events as e where e.task_id = :'cancelled' order by e.id desc limit 1), 'user:' || :'owner',
  'With who did it'
);

select * from finish();
rollback;
