begin;
select plan(18);

-- SETUP: one user with many orchestrators beside two who have a few parts; each may run one
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 1) as eager \gset
select tests.create_user(p_max_in_progress => 1) as ana \gset
select tests.create_user(p_max_in_progress => 1) as ben \gset
select tests.create_task(:'eager', 'film_orchestrator', p_age => '1 hour') from generate_series(1, 200);
select tests.create_task(u.id) from unnest(array[:'ana', :'ben']::uuid[]) as u (id), generate_series(1, 3);

-- TEST: nobody gets more machines than their limit says
select is(tests.claimable(), 3, 'task_counts() counts what can run at once');
select is((tests.counts() ->> 'suggested_workers')::integer, 3, 'And wants no machine for what cannot');
select is(cardinality(tests.claim_many(60)), 3, 'Sixty workers get three tasks');
select is(
  array(select count(*)::integer from public.tasks where status = 'In Progress' group by user_id), array[1, 1, 1],
  'One of each user'
);
select is(tests.counts() #>> '{blocked,user_at_limit}', '203', 'The rest waits for its owners'' limits');
select t.id as waiting from public.tasks as t where t.user_id = :'eager' and t.status = 'Queued' limit 1 \gset
select is(
  public.explain_task(tests.service(), :'waiting')::jsonb @> '{"reason": "user_at_limit", "running": 0, "orchestrating": 1, "orchestration_limit": 1}',
  true, 'explain() says which limit that is'
);

-- TEST: behind orchestration that has no place the line goes on
select tests.create_task(:'eager', 'clip') as part \gset
select is(tests.claim('gpu-a'), :'part', 'A part behind two hundred orchestrators is handed out');
select is(tests.claim('gpu-b'), null, 'And no orchestrator with it');

-- TEST: one that has enqueued everything needs no worker, and no place
select public.complete_task(tests.service(), :'part', 'https://files/a.mp4');
select t.id as running from public.tasks as t where t.user_id = :'eager' and t.status = 'In Progress' \gset
select public.update_task_status(tests.service(), :'running', 'In Progress', 'Successfully enqueued 0 tasks');
select is((tests.task(tests.claim('gpu-b'))).task_type, 'film_orchestrator', 'One that has said so frees its slot for the next, even without children');
select tests.create_task(:'eager', 'film', jsonb_build_object(fairlane_core.parent_key(), :'running')) as whole \gset
select is(tests.claim('gpu-c'), :'whole', 'And the child');
select is(
  (select count(*)::integer from public.tasks where user_id = :'eager' and status = 'In Progress' and not takes_slot), 2,
  'Two run, of which one needs a worker'
);
select is_empty('select * from fairlane_core.drift()', 'The counters are what the tasks add up to');

-- TEST: the limit is the user's own, else the setting, else that of their tasks
update public.users set max_orchestrating = 3 where id = :'eager';
delete from public.tasks where id = :'whole';
select is(cardinality(tests.claim_many(9)), 2, 'A raised limit of the user''s own holds at once');
update public.users set max_orchestrating = null where id = :'eager';
update fairlane_core.settings set default_orchestration_limit = 5;
select is(cardinality(tests.claim_many(9)), 2, 'So does a changed default');
update public.tasks set status = 'Cancelled' where user_id = :'eager' and status = 'In Progress';
update fairlane_core.settings set default_orchestration_limit = 0;
select is(cardinality(tests.claim_many(9)), 0, 'A limit of 0 starts none');
select is_empty('select * from fairlane_core.drift()', 'The counters are what the tasks add up to');

-- TEST: also while a long line is behind its type
update fairlane_core.settings set default_orchestration_limit = default;
select tests.create_user(p_max_in_progress => 3) as cleo \gset
update public.users set max_orchestrating = 1 where id = :'cleo';
update public.users set credits = 0 where id <> :'cleo';
select tests.create_task(:'cleo', 'film_orchestrator') from generate_series(1, 2);
select tests.claim('gpu-d');
select tests.create_task(:'cleo', 'clip', p_priority => 5) from generate_series(1, 250);
update public.task_types set is_active = false where name = 'clip';
select is(tests.claim('gpu-e'), null, 'No claim finds orchestration beyond the limit behind tasks of a type that has changed');
select is(
  (select count(*)::integer from public.tasks where user_id = :'cleo' and status = 'In Progress'), 1, 'One orchestrates, as the limit says'
);

select * from finish();
rollback;
