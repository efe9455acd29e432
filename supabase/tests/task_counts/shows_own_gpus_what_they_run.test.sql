begin;
select plan(37);

-- SETUP: Ana has images of the pool api, local and for the cloud, and what only API workers can run
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 3) as ana \gset
select tests.with_token(:'ana') as token \gset
select tests.signed_in(:'ana') as signed_in \gset
select tests.create_task(:'ana', 'sketch_image', p_age => '3 hours') as image \gset
select tests.create_task(:'ana', 'draw_image', p_age => '2 hours') as local_image \gset
update public.tasks set run_type = 'local' where id = :'local_image';
select tests.create_task(:'ana', p_age => '1 hour') as part \gset
select tests.create_task(:'ana', 'animate', p_age => '4 hours') as film \gset
create function pg_temp.listed(p_counts jsonb, p_list text) returns uuid[] language sql as $$
  select coalesce(array_agg((e.task ->> 'task_id')::uuid order by e.place), '{}') from jsonb_array_elements(p_counts -> p_list) with ordinality as e (task, place);
$$;
create function pg_temp.explain(p_task_id uuid, p_caller jsonb) returns jsonb language sql as $$
  select tests.answer(format('public.explain_task(%L, %L)', p_caller, p_task_id))::jsonb;
$$;
create function pg_temp.worker(p_caller jsonb, p_name text default 'mac') returns jsonb language sql as $$
  select tests.answer(format('public.explain_worker(%L, %L)', p_caller, p_name))::jsonb;
$$;

-- TEST: what waits
select is(tests.claimable('gpu', :'token'), 3, 'A token counts for gpu what its machine would get');
select is(
  pg_temp.listed(tests.counts('gpu', true, :'token'), 'queued_tasks'), array[:'image', :'local_image', :'part']::uuid[],
  'And lists it in the order of claims'
);
select is(tests.claimable(), 1, 'The fleet''s gpu workers count the part');
select is(tests.claimable('api'), 2, 'And its api workers what is for the cloud');
select is(tests.claimable('api', :'token'), 3, 'A token that names api counts that pool, local images too');
select is(tests.claimable(null, :'token'), 3, 'Of all pools together each task is counted once, as far as there is room');
select is(tests.claimable('gpu', :'signed_in'), 2, 'In person only what is local is for the own machine');
select is(
  pg_temp.listed(tests.counts('gpu', true, :'signed_in'), 'queued_tasks'), array[:'local_image', :'part']::uuid[], 'And listed so'
);
select is((pg_temp.worker(:'token') ->> 'claimable')::integer, 3, 'explain says the same of the machine');

-- TEST: a dry run finds what a claim would, and takes nothing
create function pg_temp.preview(p_pool text, p_caller jsonb) returns jsonb language sql as $$
  select tests.answer(format('public.claim_next_task(%L, ''mac'', %L, p_dry_run => true)', p_caller, p_pool))::jsonb;
$$;
select is(pg_temp.preview('gpu', :'token') #>> '{task,task_id}', :'image', 'A dry run of the machine finds the image');
select is(pg_temp.preview('gpu', :'token') ->> 'available_tasks', '3', 'And counts the same');
select is(pg_temp.preview('gpu', tests.service()) #>> '{task,task_id}', :'part', 'The fleet''s finds the part');

-- TEST: what the owner is told of tasks that the fleet may not run
update public.users set credits = 0 where id = :'ana';
select matches(pg_temp.explain(:'image', :'signed_in') ->> 'remedy', 'the owner''s own machine can run it now$', 'The machine can run the image');
select matches(pg_temp.explain(:'film', :'signed_in') ->> 'remedy', 'that claims for api can run it now$', 'But not the film');
select is(pg_temp.explain(:'image', :'token') -> 'claimable', 'true', 'To the machine it is claimable');
update public.users set credits = 100 where id = :'ana';

-- TEST: its place in line
select is((pg_temp.explain(:'part', :'token') ->> 'tasks_ahead')::integer, 1, 'An image of the same kind is before the part');
select is((pg_temp.explain(:'image', :'token') ->> 'tasks_ahead')::integer, 0, 'The film, which its machine never gets, is not before the image');
select is((pg_temp.explain(:'image', tests.service()) ->> 'tasks_ahead')::integer, 1, 'For the fleet it is');
select is(
  array[pg_temp.explain(:'image', :'token') ->> 'runs_on_own_gpu', pg_temp.explain(:'film', :'token') ->> 'runs_on_own_gpu', pg_temp.explain(:'part', :'token') ->> 'runs_on_own_gpu'],
  '{true,false,false}', 'And it is told which of another pool it gets'
);

-- TEST: what runs, whoever runs it
select is(tests.claim('mac', 'gpu', null, :'token'), :'image', 'The machine takes the image');
select is(tests.counts('gpu', true, :'token') #>> '{totals,active_only}', '1', 'It is active');
select is(pg_temp.listed(tests.counts('gpu', true, :'token'), 'active_tasks'), array[:'image']::uuid[], 'It is listed');
select is(pg_temp.listed(tests.counts('gpu', true, :'signed_in'), 'active_tasks'), '{}', 'In person it is one of the pool api');
select is(tests.counts('gpu', true, :'token') #>> '{totals,queued_plus_active}', '3', 'With what waits that is three');
select is(pg_temp.worker(:'token') #>> '{holds,0,task_id}', :'image', 'The machine holds it');
select is(pg_temp.worker(:'token') ->> 'reason', 'holds_all_it_may', 'And that is all it may');
select is(tests.counts('gpu', true, :'token') #>> '{totals,queued_only}', '2', 'Two wait');

-- TEST: each queued task is claimable or under one reason
select tests.create_task(:'ana', 'draw_image', p_dependant_on => :'image');
select tests.create_task(:'ana', 'draw_image') as later \gset
update public.tasks set available_at = fairlane_core.now() + interval '1 hour' where id = :'later';
select tests.create_task(:'ana', 'draw_image') from generate_series(1, 2);
select is(
  tests.counts('gpu', true, :'token') -> 'blocked', '{"dependency_pending": 1, "not_yet": 1, "user_at_limit": 2}', 'What waits is counted by its reason'
);
select is(pg_temp.worker(:'token') -> 'blocked', tests.counts('gpu', true, :'token') -> 'blocked', 'explain says the same');
select tests.step_clock('2 hours');
select is(
  tests.counts('gpu', true, :'token') -> 'blocked', '{"dependency_pending": 1, "user_at_limit": 3}', 'What is due counts before anybody releases it'
);
update fairlane_core.settings set paused_pools = '{api}';
select is(
  tests.counts('gpu', true, :'token') -> 'blocked', '{"dependency_pending": 1, "pool_paused": 4}', 'So does what a pause holds back'
);
select is(tests.claimable('gpu', :'token'), 1, 'The part is left');
update fairlane_core.settings set paused_pools = '{}';
update public.task_types set is_active = false where name = 'draw_image';
select is(
  tests.counts('gpu', true, :'token') -> 'blocked', '{"type_inactive": 5}', 'And a type that is switched off'
);
update public.task_types set is_active = true where name = 'draw_image';
select tests.step_clock('8 days');
select is(
  tests.counts('gpu', true, :'token') -> 'blocked', '{"dependency_pending": 1, "stale": 5}', 'And what has grown stale, before anybody sets it aside'
);
select is(tests.claimable('gpu', :'token'), 0, 'Nothing is claimable then');
select fairlane_core.sweep();
select is(
  tests.counts('gpu', true, :'token') -> 'blocked', '{"dependency_pending": 1, "stale": 5}', 'And after the sweep the same'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
