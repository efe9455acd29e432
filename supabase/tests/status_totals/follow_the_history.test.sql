begin;
select plan(9);

-- SETUP
select tests.empty_queue();
delete from public.task_events;
delete from fairlane_core.status_totals;
select tests.create_user(p_max_in_progress => 50) as owner \gset
create function pg_temp.totals() returns text language sql as $$
  select format('%s/%s/%s', fairlane_core.ended_total('Complete'), fairlane_core.ended_total('Failed'), fairlane_core.ended_total('Cancelled'));
$$;

-- TEST: what nobody has counted yet
select is(pg_temp.totals(), '0/0/0', 'An empty queue has nothing that ended');
select tests.create_task_in(s, :'owner') from unnest(array['Complete', 'Complete', 'Failed', 'Cancelled', 'In Progress', 'Queued']) as s;
select is(pg_temp.totals(), '2/1/1', 'What has ended counts at once');

-- TEST: counting on
select is(fairlane_core.advance_status_totals()::jsonb, '{"Complete": 0, "Failed": 0, "Cancelled": 0}', 'The last minutes are left for the next time');
select tests.step_clock('3 minutes');
select is(fairlane_core.advance_status_totals()::jsonb, '{"Complete": 2, "Failed": 1, "Cancelled": 1}', 'Then they are counted');
select is(fairlane_core.advance_status_totals()::jsonb, '{"Complete": 2, "Failed": 1, "Cancelled": 1}', 'Once');
select is(pg_temp.totals(), '2/1/1', 'Asking comes to the same');

-- TEST: tasks that leave
select tests.create_task_in('Complete', :'owner');
delete from public.tasks where status = 'Failed';
update public.tasks set status = 'Queued', requeue_count = requeue_count + 1 where status = 'Cancelled';
select is(pg_temp.totals(), '3/0/0', 'Deleted and requeued tasks are counted out');
select tests.step_clock('3 minutes');
select fairlane_core.advance_status_totals();
select is(pg_temp.totals(), '3/0/0', 'Also after counting on');
select is(
  pg_temp.totals(),
  (select format('%s/%s/%s', count(*) filter (where status = 'Complete'), count(*) filter (where status = 'Failed'), count(*) filter (where status = 'Cancelled')) from public.tasks),
  'They are what the tasks add up to'
);

select * from finish();
rollback;
