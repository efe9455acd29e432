begin;
select plan(33);

-- SETUP: Ana's cloud is switched off; the fleet's api workers so run nothing of hers
select tests.empty_queue();
select tests.create_user(0, tests.switched('cloud', 'false'), 4) as ana \gset
select tests.create_user() as ben \gset
select tests.with_token(:'ana') as token \gset
select tests.create_task(:'ben', 'sketch_image', p_age => '2 days', p_priority => 9) as bens \gset
select tests.create_task(:'ana', 'sketch_image', p_age => '3 hours') as image \gset
select tests.create_task(:'ana', p_age => '2 hours') as part \gset
select tests.create_task(:'ana', 'edit_image', p_age => '1 hour') as local_image \gset
update public.tasks set run_type = 'local' where id = :'local_image';
select tests.create_task(:'ana', 'animate', p_age => '4 hours') as film \gset
select tests.create_task(:'ana', y.name, p_age => '5 hours')
from public.task_types as y
where y.run_type <> 'gpu' and not y.runs_on_own_gpu;

-- TEST: one line, in the order of claims, and of other pools only what GPU workers know
select is(tests.claim('gpu-1'), null, 'The fleet''s gpu workers get none of them');
select is(tests.claim('mac-1', 'gpu', null, :'token'), :'image', 'A machine that claims for gpu gets the image, which is older');
select is(
  (select (t.pool, t.status, t.attempts, t.token_id is not null)::text from public.tasks as t where t.id = :'image'),
  '(api,"In Progress",1,t)', 'It stays a task of its pool'
);
select is(tests.claim('mac-2', 'gpu', null, :'token'), :'part', 'Then the part');
select is(tests.claim('mac-3', 'gpu', null, :'token'), :'local_image', 'Then the local image');
select is(tests.claim('mac-4', 'gpu', null, :'token'), null, 'And nothing that only others can run, nor anything of Ben');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

-- TEST: what a machine holds it gets back, and not twice
select is(tests.claim('mac-1', 'gpu', null, :'token'), :'image', 'A machine that holds an image and claims again gets it back');
select is((tests.task(:'image')).attempts, 1, 'Its reply was lost, and no start counts');
select is(
  tests.answer(format('public.complete_task(%L, %L, p_output_location => ''https://files/a.png'')', :'token', :'image'))::jsonb ->> 'status',
  'Complete', 'It completes it as any other'
);
select is(
  (select concat(g.type, ' ', g.location) from public.generations as g where g.task_id = :'image'), 'image https://files/a.png',
  'And the result is recorded'
);

-- TEST: a claim that is repeated, by the pool it was sent for
select tests.create_task(:'ana', 'draw_image', p_age => '1 minute') as second \gset
select is(tests.claim('mac-5', 'gpu', 'claim-1', :'token'), :'second', 'A claim with an id gets an image');
select is(tests.claim('mac-5', 'gpu', 'claim-1', :'token'), :'second', 'And the same one again');

-- TEST: the limit is one over both
select tests.create_task(:'ana', 'retouch_image', p_age => '50 minutes') as older \gset
select tests.create_task(:'ana', 'clip', p_age => '40 minutes') as younger \gset
select is((select s.running from fairlane_core.user_slots as s where s.user_id = :'ana'), 3, 'Three run');
select is(tests.claim('mac-6', 'gpu', null, :'token'), :'older', 'There is room for one');
select is(tests.claim('mac-7', 'gpu', null, :'token'), null, 'And for no more');
update public.tasks set status = 'Complete' where id = :'older';
select is(tests.claim('mac-7', 'gpu', null, :'token'), :'younger', 'Until one has ended');
update public.tasks set status = 'Complete' where user_id = :'ana' and status = 'In Progress';

-- TEST: a pool that is paused gives none, by whichever name it is claimed
select tests.create_task(:'ana', 'style_image') as styled \gset
update fairlane_core.settings set paused_pools = '{api}';
select is(tests.claim('mac-1', 'gpu', null, :'token'), null, 'While api is paused, its images wait');
update fairlane_core.settings set paused_pools = '{gpu}';
select is(tests.claim('mac-1', 'gpu', null, :'token'), null, 'A claim for a pool that is paused gets nothing');
update fairlane_core.settings set paused_pools = '{}';

-- TEST: the owner's switch
update public.users set settings = tests.switched('local', 'false') where id = :'ana';
select is(tests.claim('mac-1', 'gpu', null, :'token'), null, 'Nor with local work switched off');
update public.users set settings = '{}' where id = :'ana';
select is(tests.claim('mac-1', 'gpu', null, :'token'), :'styled', 'Else it is handed out');
update public.tasks set status = 'Complete' where id = :'styled';

-- TEST: what has become due, the most urgent first, and not before
select tests.create_task(:'ana', 'draw_image') as later \gset
select tests.create_task(:'ana', 'draw_image', p_priority => 5) as urgent \gset
update public.tasks set available_at = fairlane_core.now() + interval '1 minute' where id in (:'later', :'urgent');
select is(tests.claim('mac-1', 'gpu', null, :'token'), null, 'What is not due waits');
select tests.step_clock('2 minutes');
select is(tests.claim('mac-1', 'gpu', null, :'token'), :'urgent', 'The more urgent goes first');
select is(tests.claim('mac-2', 'gpu', null, :'token'), :'later', 'Then the other');
update public.tasks set status = 'Complete' where user_id = :'ana' and status = 'In Progress';

-- TEST: what has grown stale is not started by surprise
select tests.create_task(:'ana', 'draw_image', p_age => '6 days') as forgotten \gset
select tests.step_clock('2 days');
select is(tests.claim('mac-1', 'gpu', null, :'token'), null, 'An image that nobody started for a week is not handed out');
select tests.create_task(:'ana', 'draw_image') as fresh \gset
select is(tests.claim('mac-1', 'gpu', null, :'token'), :'fresh', 'The next one is');
select is((tests.task(:'forgotten')).readiness, 'stale', 'And the old one is set aside on the way');

-- TEST: a machine that comes again has let go of what others ended
select tests.answer(format('public.update_task_status(%L, %L, ''Cancelled'')', tests.signed_in(:'ana'), :'fresh'));
select is(
  (select count(*) from fairlane_core.held_slots as h where h.user_id = :'ana' and h.let_go_at is null), 1::bigint,
  'Its owner cancels an image: the machine may still be at work'
);
select is(tests.claim('mac-1', 'gpu', null, :'token'), null, 'It claims again');
select is(
  (select count(*) from fairlane_core.held_slots as h where h.user_id = :'ana' and h.let_go_at is null), 0::bigint, 'And the slot is free'
);

-- TEST: the other ways in are as they were
select t.id as oldest from public.tasks as t
where t.user_id = :'ana' and t.pool = 'api' and t.readiness = 'ready'
order by t.created_at, t.id limit 1 \gset
select is(tests.claim('mac-8', 'api', null, :'token'), :'oldest', 'A machine that claims for api gets the oldest there is, whatever its type');
select is(tests.claim('api-1', 'api'), :'bens', 'The fleet''s api workers get images of who lets them');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
