begin;
select plan(10);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
create function pg_temp.fail(p_owner uuid, p_columns text, p_before text default 'priority = 0') returns public.tasks language plpgsql as $$
declare
  v_task_id uuid := tests.create_task_in('In Progress', p_owner);
begin
  execute format('update public.tasks set %s where id = %L', p_before, v_task_id);
  set local role service_role;
  execute format('update public.tasks set status = ''Failed'', %s where id = %L', p_columns, v_task_id);
  reset role;
  return tests.task(v_task_id);
end;
$$;

-- TEST: whichever column it came in
select is((pg_temp.fail(:'owner', $$ error_message = 'boom' $$)).error_message, 'boom', 'A reason in error_message');
select is((pg_temp.fail(:'owner', $$ output_location = 'boom' $$)).error_message, 'boom', 'A reason in output_location');
select is((pg_temp.fail(:'owner', $$ error_details = 'boom' $$)).error_message, 'boom', 'A reason in error_details');
select is((pg_temp.fail(:'owner', $$ error_message = 'boom' $$)).output_location, 'boom', 'It is also where deployed clients look');
select isnt(coalesce((pg_temp.fail(:'owner', 'priority = 1')).error_message, ''), '', 'No reason gets one');

-- TEST: this failure's reason, not what the columns held before
select is(
  (pg_temp.fail(:'owner', $$ output_location = 'boom' $$, $$ error_message = 'Reset - orphaned from failed worker' $$)).error_message,
  'boom', 'The reason of an earlier reset does not hide this one'
);
select is(
  (pg_temp.fail(:'owner', $$ error_message = 'boom' $$, $$ output_location = 'Enqueued 3 tasks' $$)).output_location,
  'boom', 'The reason replaces a progress text'
);
select isnt(
  (pg_temp.fail(:'owner', 'priority = 1', $$ output_location = 'Enqueued 3 tasks' $$)).error_message,
  'Enqueued 3 tasks', 'A progress text is no reason'
);

-- TEST: long texts
update fairlane_core.settings set max_text_length = 1000;
select repeat('x', 999) || 'yz' as long \gset
select t.id as task from pg_temp.fail(:'owner', format('error_message = %L', :'long')) as t \gset
select cmp_ok(length((tests.task(:'task')).error_message), '<', 1100, 'A long reason is cut');
select ok(
  (select row(e.reason, e.details)::text like '%xyz%' from public.task_events as e where e.task_id = :'task' order by e.id desc limit 1),
  'The event keeps the whole text'
);

select * from finish();
rollback;
