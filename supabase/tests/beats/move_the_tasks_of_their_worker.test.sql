begin;
select plan(13);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 20) as owner \gset
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator', 'gpu-1') as orchestrator \gset
select tests.create_task_in('In Progress', :'owner', 'clip', 'gpu-1') as mine \gset
select tests.create_task_in('In Progress', :'owner', 'clip', 'gpu-2') as theirs \gset
select tests.create_task_in('In Progress', :'owner', 'clip', 'gpu-1') as local \gset
select tests.with_token(:'owner') as token \gset
update public.tasks set token_id = tests.token_id(:'token') where id = :'local';
select tests.step_clock('1 minute');
create temporary view events as select count(*) as events from public.task_events;
create temporary table before as select * from events;
select pg_stat_get_xact_tuples_updated('public.tasks'::regclass) as updated,
  pg_stat_get_xact_tuples_hot_updated('public.tasks'::regclass) as hot \gset

-- TEST: a beat that names nothing
select tests.beat('gpu-1', '[{"message": "loading", "task_id": null}, {"message": "x", "task_id": "unknown_task_17"}]');
select is((tests.task(:'mine')).updated_at, fairlane_core.now(), 'A heartbeat updates the worker''s task');
select is((tests.task(:'orchestrator')).updated_at, fairlane_core.now(), 'And its orchestration');
select is((tests.task(:'theirs')).updated_at, fairlane_core.now() - interval '1 minute', 'But no task of another worker');
select is((tests.task(:'local')).updated_at, fairlane_core.now() - interval '1 minute', 'Nor of a user''s own machine of that name');
select is((tests.task(:'mine')).delivered_at, null, 'That the worker lives does not say that the task has arrived');
select is((select events from events), (select events from before), 'It is no event');
select is(
  pg_stat_get_xact_tuples_updated('public.tasks'::regclass) - :updated,
  pg_stat_get_xact_tuples_hot_updated('public.tasks'::regclass) - :hot, 'The rows change in place, no index is written'
);

-- TEST: a log that names tasks
select tests.beat('gpu-1', format(
  '[{"message": "a", "task_id": "%s"}, {"message": "b", "task_id": "%s"}, {"message": "c", "task_id": "%s"}]', upper(:'mine'), :'theirs', :'local'
));
select is((tests.task(:'mine')).delivered_at, fairlane_core.now(), 'A log that names the worker''s task says that it has arrived');
select is((tests.task(:'mine')).reported_at, fairlane_core.now(), 'And that it was heard of');
select is(
  (select count(*)::integer from public.tasks where delivered_at is not null), 1, 'No other task has arrived by that'
);

-- TEST: later
select tests.step_clock('1 minute');
select tests.beat('gpu-1', '[]', jsonb_build_object('current_task_id_param', :'mine'));
select is(
  ((tests.task(:'mine')).delivered_at, (tests.task(:'mine')).reported_at), (fairlane_core.now() - interval '1 minute', fairlane_core.now()),
  'Naming the current task counts too; a task arrives once'
);

-- TEST: a worker that is gone holds nothing
select tests.step_clock('1 minute');
update public.workers set status = 'terminated' where id = 'gpu-1';
select tests.beat('gpu-1');
select is((tests.task(:'mine')).status, 'Queued', 'A heartbeat of a terminated worker shields no task');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
