begin;
select plan(13);

-- SETUP: never started, and exactly seven days old at the next claim, or a microsecond older
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner', p_age => '6 days 23:59:59') as seven_days \gset
select tests.create_task(:'owner', p_age => '6 days 23:59:59.000001') as older \gset

-- TEST: older than seven days, to the microsecond
select is(tests.claim('gpu-1'), :'seven_days', 'claim_next_task() hands out a task of exactly seven days');
select is(tests.claim('gpu-2'), null, 'claim_next_task() leaves one that is a microsecond older');

-- TEST: also with the user's own machine
select is(
  tests.claim('mac', 'gpu', null, tests.with_token(:'owner')), null, 'A token does not get stale tasks either'
);

-- TEST: a task that was started once is never stale
select tests.create_task_in('Rescued', :'owner') as tried \gset
update public.tasks set created_at = fairlane_core.now() - interval '30 days' where id = :'tried';
select is(tests.claim('gpu-2'), :'tried', 'claim_next_task() hands out an old task that was started before');

-- TEST: a live parent keeps its children fresh, whatever the case of its id
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator') as parent \gset
select tests.create_task(
  :'owner', p_params => jsonb_build_object(fairlane_core.parent_key(), upper(:'parent')), p_age => '8 days'
) as child \gset
select is(tests.claim('gpu-3'), :'child', 'claim_next_task() hands out an old child of a running orchestrator');
select tests.create_task(
  :'owner', p_params => jsonb_build_object(fairlane_core.parent_key(), :'parent'::text), p_age => '8 days'
) as orphan \gset
select public.complete_task(tests.service(), :'parent');
select is(tests.claim('gpu-4'), null, 'claim_next_task() leaves it once the orchestrator has ended');

-- TEST: a parent that is no id or does not exist keeps nothing fresh
select tests.create_task(:'owner', p_age => '8 days', p_params => tests.child_params('run_20251010'));
select tests.create_task(
  :'owner', p_age => '8 days', p_params => jsonb_build_object(fairlane_core.parent_key(), gen_random_uuid())
);
select is(tests.claim('gpu-4'), null, 'claim_next_task() leaves tasks whose parent is not there');

-- TEST: a stale task in front hides no fresh one behind it
select tests.create_task(:'owner', p_priority => 9) from generate_series(1, 3);
select tests.create_task(:'owner', p_age => '1 hour') as fresh \gset
select tests.step_clock('7 days');
update public.tasks set created_at = fairlane_core.now() where id = :'fresh';
select is(tests.claim('gpu-5'), :'fresh', 'claim_next_task() passes over tasks that grew stale while they waited');

-- TEST: nor does an owner with nothing else hide other owners
select tests.create_user() as other \gset
select tests.create_task(:'other') as other_task \gset
select is(tests.claim('gpu-6'), :'other_task', 'claim_next_task() goes on to the next owner');

-- TEST: the cut-off is a setting
select tests.create_task(:'other', p_age => '2 days') as two_days \gset
update fairlane_core.settings set stale_after = '1 day';
select is(tests.claim('gpu-7'), null, 'claim_next_task() follows a shorter cut-off');
update fairlane_core.settings set stale_after = '7 days';
select is(tests.claim('gpu-7'), :'two_days', 'claim_next_task() follows a longer cut-off');

-- TEST: however many have grown stale in front of it, one call finds a fresh task
select tests.empty_queue();
select tests.create_user() as owner \gset
insert into public.tasks (task_type, project_id, priority)
select 'clip', tests.create_project(:'owner'), 1 from generate_series(1, 600);
select tests.step_clock('8 days');
select tests.create_task(:'owner') as fresh \gset
select is(tests.claim('gpu-8'), :'fresh', 'claim_next_task() finds a fresh task behind hundreds that grew stale');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
