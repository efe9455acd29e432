begin;
select plan(13);

-- SETUP: Ana may run; the others are before her in every respect
select tests.empty_queue();
select tests.create_user(p_credits => 0) as broke \gset
select tests.create_user(p_credits => -3) as indebted \gset
select tests.create_user(p_settings => tests.switched('cloud', 'false')) as offline \gset
select tests.create_task(:'broke', p_age => '3 days', p_priority => 9);
select tests.create_task(:'indebted', p_age => '3 days', p_priority => 9);
select tests.create_task(:'offline', p_age => '3 days', p_priority => 9);
select tests.step_clock('1 minute');
select tests.create_user() as ana \gset
select tests.create_task(:'ana') as ana_task \gset

-- TEST: credits and the cloud switch
select is(tests.claim_many(9), array[:'ana_task'::uuid], 'claim_next_task() serves only who has credits and cloud on');

-- TEST: a change counts at once
update public.users set credits = 0.01 where id = :'broke';
select is((tests.task(tests.claim('gpu-1'))).user_id, :'broke', 'A user with the least credit is served');
update public.users set settings = tests.switched('cloud', 'true') where id = :'offline';
select is((tests.task(tests.claim('gpu-2'))).user_id, :'offline', 'A user who switched the cloud on is served');
select is(tests.claim('gpu-3'), null, 'A user in debt is not');
select tests.create_task(:'ana');
update public.users set credits = 0 where id = :'ana';
select is(tests.claim('gpu-3'), null, 'A user whose credits ran out is not served any more');

-- TEST: settings that make no sense count as on, and concern nobody else
create temporary table oddity (settings jsonb);
insert into oddity values
  (null), ('null'), ('"text"'), ('7'), ('[]'), ('{}'), ('{"ui": null}'), ('{"ui": []}'),
  (tests.switched_as_a_whole('"cloud"')), (tests.switched_as_a_whole('["cloud"]')),
  (tests.switched('cloud', 'null')), (tests.switched('cloud', '"false"')),
  (tests.switched('cloud', '0')), (tests.switched('cloud', '{"on": false}'));
select tests.create_task(tests.create_user(p_settings => o.settings)) from oddity as o;
select is(
  cardinality(tests.claim_many(99)), (select count(*)::integer from oddity),
  'claim_next_task() reads every malformed switch as on'
);
select is(
  (
    select count(*)::integer
    from fairlane_core.user_slots as s
      join public.users as u on u.id = s.user_id
    where s.settings_malformed and u.settings #>> fairlane_core.switch_path('cloud') is not null
  ),
  3, 'A switch that is not a boolean is reported for its own user'
);
select ok(
  (select bool_or(s.settings_malformed) from fairlane_core.user_slots as s where s.user_id in (:'ana', :'offline')) is false,
  'Nobody else is reported'
);
select lives_ok(
  format($$ update public.users set settings = tests.switched('cloud', '[false]') where id = %L $$, :'ana'),
  'A malformed setting can be saved'
);

-- TEST: params that are no object are the task's own affair
update public.users set credits = 1 where id = :'ana';
create temporary table odd_task as
select tests.create_task(:'ana', p_priority => 1) as id, o.params
from (values ('[]'::jsonb), ('"text"'), ('7'), ('null'), (jsonb_build_object(fairlane_core.parent_key(), '{"id": 1}'::jsonb))) as o (params);
-- As rows from before the rule may be.
alter table public.tasks disable trigger tasks_before_update;
update public.tasks as t set params = o.params from odd_task as o where o.id = t.id;
alter table public.tasks enable trigger tasks_before_update;
select tests.create_task(tests.create_user()) as sound \gset
select lives_ok($$ select tests.claim_many(3) $$, 'claim_next_task() goes on beside tasks whose params make no sense');
select is((tests.task(:'sound')).status, 'In Progress', 'A sound task of another user is handed out beside them');
select lives_ok($$ select tests.counts() $$, 'task_counts() goes on too');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
