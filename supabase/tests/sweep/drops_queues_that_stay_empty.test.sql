begin;
select plan(8);

-- SETUP: Ana's line is empty, Ben's has work, Cleo's has a task that runs
select tests.empty_queue();
-- Keeps the scheduled sweep out until the end of the test.
lock table fairlane_core.minute_samples in share row exclusive mode;
create function pg_temp.sweep() returns void language plpgsql as $$
begin
  set local role service_role;
  perform fairlane_core.sweep();
  reset role;
end;
$$;
create function pg_temp.has_line(p_user_id uuid) returns boolean language sql as $$
  select exists (select from fairlane_core.user_queues as l where l.user_id = p_user_id);
$$;
select tests.create_user() as ana \gset
select tests.create_user() as ben \gset
select tests.create_user() as cleo \gset
select tests.create_task_in('In Progress', :'cleo');
select tests.create_task(:'ben');
select tests.create_task(:'ana', p_dependant_on => gen_random_uuid()) as never \gset
select tests.create_task(:'ana') as only_one \gset
update public.tasks set status = 'Cancelled' where id in (:'only_one', :'never');

-- TEST: not at once
select tests.step_clock('59 minutes');
select pg_temp.sweep();
select ok(pg_temp.has_line(:'ana'), 'A queue that was empty for less than an hour stays');

-- TEST: after an hour
select tests.step_clock('2 minutes');
select pg_temp.sweep();
select ok(not pg_temp.has_line(:'ana'), 'After an hour it goes');
select ok(pg_temp.has_line(:'ben'), 'One with ready work stays');
select ok(pg_temp.has_line(:'cleo'), 'One with running work stays');
select is_empty(
  format('select from fairlane_core.blocked_tasks where user_id = %L', :'ana'), 'Counters of nothing that waits go with it'
);
select is_empty('select * from fairlane_core.drift()', 'Nothing has drifted');

-- TEST: the line comes back with the owner's next task
update public.users set max_in_progress = 3 where id = :'ana';
select tests.create_task(:'ana');
select is(
  (select array[l.is_open::text, l.task_limit::text] from fairlane_core.user_queues as l where l.user_id = :'ana'), array['true', '3'],
  'A new queue is open and has its owner''s limit'
);
select is(tests.claimable(), 2, 'And is counted');

select * from finish();
rollback;
