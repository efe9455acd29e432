begin;
select plan(18);

-- SETUP: tasks that only time will change
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
select tests.create_task(:'owner', p_age => '6 days') as ages \gset
select tests.create_task(:'owner', p_priority => 1) as due \gset
update public.tasks set available_at = fairlane_core.now() + interval '1 hour' where id = :'due';
select tests.create_task(:'owner') as parent_task \gset
select tests.create_task(:'owner', p_dependant_on => :'parent_task') as due_but_waiting \gset
update public.tasks set available_at = fairlane_core.now() + interval '1 hour' where id = :'due_but_waiting';
create function pg_temp.explained() returns integer language sql as $$
  select tests.claimable() + coalesce(sum(b.value::integer), 0)::integer from jsonb_each_text(tests.counts() -> 'blocked') as b;
$$;

-- TEST: before
select is(tests.claimable(), 2, 'What waits for a time is not counted');
select is(tests.counts() -> 'blocked', '{"not_yet": 2}', 'But explained');

-- TEST: to the microsecond
select tests.step_clock('59 minutes 59.999999 seconds');
select is(tests.claimable(), 2, 'A microsecond early it is not counted');
select tests.step_clock('1 microsecond');
select is(tests.claimable(), 3, 'The moment it is due it is');
select is(
  tests.counts() -> 'blocked', '{"dependency_pending": 1}', 'What is due is not explained as not_yet any more; another reason may remain'
);
select is(pg_temp.explained(), 4, 'Every queued task is claimable or under one reason');
select ok(
  tests.counts() -> 'queued_tasks' @> jsonb_build_array(jsonb_build_object('task_id', :'due'::uuid)),
  'The task that is due is listed'
);

-- TEST: a local task that is due is its owner's to see
select tests.with_token(:'owner') as token \gset
select tests.create_task(:'owner', p_priority => 2) as due_local \gset
update public.tasks set run_type = 'local', available_at = fairlane_core.now() + interval '1 second' where id = :'due_local';
select tests.step_clock('1 second');
create function pg_temp.lists(p_task_id uuid, p_caller jsonb) returns boolean language sql as $$
  select tests.counts('gpu', true, p_caller) -> 'queued_tasks' @> jsonb_build_array(jsonb_build_object('task_id', p_task_id));
$$;
select ok(not pg_temp.lists(:'due_local', tests.service()), 'The service is not shown a local task that is due');
select ok(pg_temp.lists(:'due_local', :'token'), 'Its owner''s token is');
delete from public.tasks where id = :'due_local';
select tests.step_clock('-1 second');

-- TEST: growing stale, to the microsecond
select tests.step_clock('23:00:00');
select is(tests.claimable(), 3, 'A task of exactly seven days is counted');
select tests.step_clock('1 microsecond');
select is(tests.claimable(), 2, 'A microsecond later it is not');
select is(tests.counts() -> 'blocked', '{"dependency_pending": 1, "stale": 1}', 'But explained as stale');
select is(pg_temp.explained(), 4, 'Every queued task is claimable or under one reason');
select ok(
  not tests.counts() -> 'queued_tasks' @> jsonb_build_array(jsonb_build_object('task_id', :'ages'::uuid)),
  'The stale task is not listed'
);

-- TEST: stale tasks in front do not hide what could be claimed next
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 2) as owner \gset
select tests.create_task(:'owner', p_priority => 5) from generate_series(1, 3);
select tests.step_clock('7 days 1 second');
select tests.create_task(:'owner') from generate_series(1, 2);
select is(tests.claimable(), 2, 'Two fresh tasks are counted behind three that grew stale');
select is(jsonb_array_length(tests.counts() -> 'queued_tasks'), 2, 'And both are listed');
select isnt(tests.counts() -> 'oldest_claimable_age_seconds', 'null', 'And have an age');

-- TEST: counting writes nothing
create temporary table before as select t.xmin::text as version, t.* from public.tasks as t;
select tests.counts(), tests.counts(null), tests.counts('api', false);
select set_eq(
  'select t.xmin::text as version, t.* from public.tasks as t', 'select * from before', 'task_counts() writes to no task'
);

select * from finish();
rollback;
