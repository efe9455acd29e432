begin;
select plan(16);

-- SETUP: Ana's task will be due, another of hers grows stale; Ben waits already
select tests.empty_queue();
create function pg_temp.explain(p_task_id uuid) returns jsonb language sql as $$
  select tests.answer(format('public.explain_task(tests.service(), %L)', p_task_id))::jsonb;
$$;
select tests.create_user() as ana \gset
select tests.create_user() as ben \gset
select tests.create_task(:'ben') as of_ben \gset
select tests.create_task(:'ana') as due \gset
update public.tasks set available_at = fairlane_core.now() + interval '1 hour' where id = :'due';
create temporary table before as
select 'task' as kind, t.xmin::text as version, t::text as content from public.tasks as t
union all
select 'line', l.xmin::text, l::text from fairlane_core.user_queues as l
union all
select 'blocked', b.xmin::text, b::text from fairlane_core.blocked_tasks as b;

-- TEST: due, to the microsecond
select tests.step_clock('59 minutes 59.999999 seconds');
select is(pg_temp.explain(:'due') ->> 'reason', 'not_yet', 'A microsecond early the task waits for its time');
select is(pg_temp.explain(:'due') -> 'tasks_ahead', 'null', 'And is in no queue');
select tests.step_clock('1 microsecond');
select is(pg_temp.explain(:'due') ->> 'reason', null, 'The moment it is due nothing holds it back');
select is(pg_temp.explain(:'due') ->> 'claimable', 'true', 'It is claimable');
select is(pg_temp.explain(:'due') -> 'tasks_ahead', '0', 'No task of its owner is ahead');
select is(pg_temp.explain(:'due') -> 'users_ahead', '1', 'A user who has been waiting is');

-- TEST: explaining writes nothing
select set_eq(
  $$ select 'task' as kind, t.xmin::text as version, t::text as content from public.tasks as t
  union all
  select 'line', l.xmin::text, l::text from fairlane_core.user_queues as l
  union all
  select 'blocked', b.xmin::text, b::text from fairlane_core.blocked_tasks as b $$,
  'select * from before', 'explain_task() writes to nothing'
);
select is(tests.claim('gpu-1'), :'of_ben', 'The claim serves who was said to be ahead');
select is(tests.claim('gpu-2'), :'due', 'And then the task that has become due');

-- TEST: a due task takes its place before younger ones
select tests.create_task(:'ana') as fresh \gset
select tests.create_task(:'ana', p_priority => 1) as due_soon \gset
update public.tasks set available_at = fairlane_core.now() + interval '1 hour' where id = :'due_soon';
select is(pg_temp.explain(:'fresh') -> 'tasks_ahead', '0', 'A task that is not due is not ahead');
select tests.step_clock('1 hour');
select is(pg_temp.explain(:'fresh') -> 'tasks_ahead', '1', 'Once it is due, it is, also before a claim has released it');

-- TEST: growing stale, to the microsecond
select tests.create_user() as cleo \gset
select tests.create_task(:'cleo') as ages \gset
select tests.step_clock('7 days');
select is(pg_temp.explain(:'ages') ->> 'reason', null, 'A task of exactly seven days may run');
select tests.step_clock('1 microsecond');
select is(pg_temp.explain(:'ages') ->> 'reason', 'stale', 'A microsecond later it is stale');
select is(pg_temp.explain(:'ages') -> 'tasks_ahead', 'null', 'And is in no queue');

-- TEST: what has grown stale is ahead of nobody
select tests.create_task(:'cleo') as behind \gset
select is(pg_temp.explain(:'behind') -> 'tasks_ahead', '0', 'A task that grew stale is not ahead of a fresh one');
select is(tests.claim('gpu-3'), :'behind', 'The claim agrees');

select * from finish();
rollback;
