begin;
select plan(29);

-- SETUP: one gpu worker, two tasks
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner', p_age => '2 hours') as held \gset
select tests.create_task(:'owner', p_age => '1 hour') as next \gset
select tests.claim('gpu-1');
select lease_token as first_lease from public.tasks where id = :'held' \gset

-- TEST: never delivered: the same attempt, with a new token
select is(tests.claim('gpu-1'), :'held', 'claim_next_task() gives a gpu worker back what it holds');
select is((tests.task(:'held')).attempts, 1, 'Undelivered, it keeps its attempt number');
select isnt((tests.task(:'held')).lease_token, :'first_lease', 'Under a new lease');
select is(
  tests.answer(format('public.complete_task(%L, %L, ''x'', p_lease_token => %L)', tests.service(), :'held', :'first_lease')),
  '409 LEASE_LOST', 'The lease of the lost reply is void'
);
select is(
  (select array_agg(e.reason order by e.id) from public.task_events as e where e.task_id = :'held' and e.attempt = 1),
  array[null, 'handed out again, the reply was lost'], 'The story has one start, and says that its reply was lost'
);

-- TEST: delivered: the worker died and came back, which is a new start
select public.update_task_status(tests.service(), :'held', 'In Progress', p_reset_generation_started_at => true);
select is(tests.claim('gpu-1'), :'held', 'claim_next_task() gives it back after it was delivered, too');
select is((tests.task(:'held')).attempts, 2, 'As a new start');
select is((tests.task(:'held')).delivered_at, null, 'Not yet delivered');
select is((tests.task(:'held')).generation_started_at, fairlane_core.now(), 'Whose billed part begins again');
select is(
  (select array_agg(e.reason order by e.id) from public.task_events as e where e.task_id = :'held' and e.attempt = 2),
  array['started again by its holder'], 'The story has a second start'
);

-- TEST: at the last attempt it ends, and the claim looks on
select public.update_task_status(tests.service(), :'held', 'In Progress');
select tests.claim('gpu-1');
select public.update_task_status(tests.service(), :'held', 'In Progress', 'Loading the model');
select is(tests.claim('gpu-1'), :'next', 'claim_next_task() ends it at its last attempt and hands out the next task');
select is((tests.task(:'held')).status, 'Failed', 'The task that was started three times is Failed');
select matches((tests.task(:'held')).error_message, '3.*gpu-1', 'The reason says how often and by whom');
select is(
  (tests.task(:'held')).output_location, (tests.task(:'held')).error_message,
  'The reason is where deployed clients look, instead of the last progress text'
);
select is((tests.task(:'next')).attempts, 1, 'The next task is at its first start');
select is(
  (select e.actor from public.task_events as e where e.task_id = :'held' order by e.id desc limit 1), 'service',
  'The story says that the service ended it'
);

-- TEST: but a reply is not lost for ever: a task may kill its worker before the first report
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner', p_age => '2 hours') as poison \gset
select tests.create_task(:'owner', p_age => '1 hour') as next \gset
update fairlane_core.settings set max_uncounted_releases = 4;
select array_agg(tests.claim('gpu-1') = :'poison') as first_claims from generate_series(1, 5) \gset
select is(
  (select array[t.attempts, t.uncounted_releases] from public.tasks as t where t.id = :'poison'), array[1, 4],
  'Handed out again as often as attempts are uncounted, it keeps its attempt number'
);
select tests.claim('gpu-1');
select is((tests.task(:'poison')).attempts, 2, 'Then each is a start');
select tests.claim('gpu-1');
select is(tests.claim('gpu-1'), :'next', 'And after the last one the claim looks on');
select is((tests.task(:'poison')).status, 'Failed', 'The task has ended');
update fairlane_core.settings set max_uncounted_releases = 10;

-- TEST: what belongs to nobody, to another holder or to another pool is not returned
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 20) as owner \gset
select tests.create_task(:'owner', 'film_orchestrator', p_priority => 9) as orchestrator \gset
select tests.create_task(:'owner', p_priority => 8) as first \gset
select tests.create_task(:'owner', p_priority => 7) as second \gset
select tests.create_task(:'owner', 'edit_image') as api_task \gset
select tests.claim('gpu-1');
select (tests.task(:'orchestrator')).lease_token as lost_lease \gset
select is(tests.claim('gpu-1'), :'orchestrator', 'An orchestrator that nobody has named since it was handed out comes back as well');
select is(
  (select row(t.attempts, t.uncounted_releases, t.lease_token <> :'lost_lease')::text from public.tasks as t where t.id = :'orchestrator'),
  '(1,1,t)', 'As the same start under a new lease'
);
select tests.beat('gpu-1', p_more => jsonb_build_object('current_task_id_param', :'orchestrator'));
select is(tests.claim('gpu-1'), :'first', 'One that was named does not count against the worker');
select is(
  tests.claim('gpu-1', 'gpu', null, tests.with_token(:'owner')), :'second',
  'The same worker id with a token is another holder'
);
select is(tests.claim('gpu-1', 'api'), :'api_task', 'A task of the other pool may be held beside it');

-- TEST: how many a worker may hold is a setting per pool
update fairlane_core.settings set gpu_tasks_per_worker = 2;
select tests.create_task(:'owner', p_priority => 6) as third \gset
select tests.create_task(:'owner', p_priority => 5) as fourth \gset
select is(
  array[tests.claim('gpu-1'), tests.claim('gpu-1')], array[:'third', :'first']::uuid[],
  'With two per worker the third claim gives back the one held longest'
);
update fairlane_core.settings set gpu_tasks_per_worker = null;
select is(tests.claim('gpu-1'), :'fourth', 'Without a limit every claim hands out another task');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

-- TEST: of two that were handed out at one instant the one of the lower id comes back, wherever their rows lie
select tests.empty_queue();
select tests.create_user() as owner \gset
update fairlane_core.settings set gpu_tasks_per_worker = 2;
insert into public.tasks (id, task_type, project_id, priority)
values ('ffffffff-0000-4000-8000-000000000001', 'test', tests.create_project(:'owner'), 1),
  ('00000000-0000-4000-8000-000000000001', 'test', tests.create_project(:'owner'), 0);
select
  array_agg(public.claim_next_task(tests.service(), 'gpu-1', 'gpu', 'claim-' || n) ->> 'task_id' order by n) as claimed
from generate_series(1, 4) as n \gset
select is(
  :'claimed'::uuid[],
  array_fill('ffffffff-0000-4000-8000-000000000001'::uuid, array[1])
    || array_fill('00000000-0000-4000-8000-000000000001'::uuid, array[3]),
  'Of two that are held equally long it is always the same one'
);

select * from finish();
rollback;
