begin;
select plan(25);

-- SETUP: Ana has cloud and local tasks, Ben one of each as well
select tests.empty_queue();
select tests.create_user() as ana \gset
select tests.create_user() as ben \gset
select tests.create_task(:'ana') from generate_series(1, 2);
select tests.create_task(:'ana') as ana_local \gset
select tests.create_task(:'ben');
select tests.create_task(:'ben') as ben_local \gset
update public.tasks set run_type = 'local' where id in (:'ana_local', :'ben_local');
select tests.create_task(:'ana', p_dependant_on => :'ana_local');
select tests.with_token(:'ana') as token \gset
select tests.signed_in(:'ana') as signed_in \gset

-- TEST: the service sees all cloud work and no local work
select is(tests.claimable(), 3, 'The service counts every owner''s cloud tasks');
select is(tests.counts() -> 'blocked', '{"dependency_pending": 1}', 'And what is blocked of them');
select is(jsonb_array_length(tests.counts() -> 'users'), 2, 'And lists every owner');

-- TEST: a token sees what it could claim
select is(tests.claimable('gpu', :'token'), 3, 'A token counts its owner''s cloud and local tasks');
select is(tests.counts('gpu', true, :'token') -> 'blocked', '{"dependency_pending": 1}', 'And what is blocked of them');
select is(
  (select array_agg(u ->> 'user_id') from jsonb_array_elements(tests.counts('gpu', true, :'token') -> 'users') as u),
  array[:'ana'], 'And lists its owner only'
);
select is(
  (select count(distinct t ->> 'user_id')::integer from jsonb_array_elements(tests.counts('gpu', true, :'token') -> 'queued_tasks') as t),
  1, 'And nobody else''s tasks'
);

-- TEST: a signed-in user sees what becomes of their cloud tasks in the fleet and of their local ones at home
select is(tests.claimable('gpu', :'signed_in'), 3, 'A signed-in user counts their own cloud and local tasks');
select is(
  (select array_agg(u ->> 'user_id') from jsonb_array_elements(tests.counts('gpu', true, :'signed_in') -> 'users') as u),
  array[:'ana'], 'And is listed alone'
);

-- TEST: what holds back the cloud does not hold back the user's own machine
update public.users set credits = 0 where id = :'ana';
select is(tests.claimable('gpu', :'token'), 3, 'Without credits a token still counts its tasks');
select is(tests.claimable('gpu', :'signed_in'), 1, 'The signed-in owner learns that only the local one may run');
select is(
  tests.counts('gpu', true, :'signed_in') -> 'blocked', '{"no_credits": 2, "dependency_pending": 1}', 'And that the others need credits'
);
select is(
  (select array_agg(t ->> 'task_id') from jsonb_array_elements(tests.counts('gpu', true, :'signed_in') -> 'queued_tasks') as t),
  array[:'ana_local'], 'The list has what is counted'
);
select results_eq(
  format(
    $$ select count(*) filter (where (public.explain_task(%1$L, t.id) ->> 'claimable')::boolean)::integer from public.tasks as t where t.user_id = %2$L $$,
    :'signed_in', :'ana'
  ), array[1], 'explain says the same of each'
);
select results_eq(
  format(
    $$ select count(*) filter (where (public.explain_task(%1$L, t.id) ->> 'claimable')::boolean)::integer from public.tasks as t where t.user_id = %2$L $$,
    :'token', :'ana'
  ), array[3], 'To a token as well, which needs no credits'
);
select is(tests.claimable(), 1, 'The service counts only the other user''s');
update public.tasks set created_at = fairlane_core.now() - interval '8 days' where id = :'ana_local';
select is(
  tests.counts('gpu', true, :'token') -> 'blocked', '{"dependency_pending": 1, "stale": 1}',
  'A token is not told of credits, which it does not need'
);
update public.users set settings = tests.switched('local', 'false') where id = :'ana';
select is(tests.claimable('gpu', :'token'), 0, 'With local work off a token counts nothing');
select is(tests.claimable('gpu', :'signed_in'), 0, 'Nor does the owner, without credits');
select is(
  tests.counts('gpu', true, :'signed_in') -> 'blocked', '{"no_credits": 2, "local_disabled": 1, "dependency_pending": 1}',
  'Each kind for its own reason'
);

-- TEST: what runs, and for whom
update public.users set credits = 5, settings = null;
select tests.claim_many(1, 'gpu', :'token');
select is(tests.counts('gpu') #> '{global_task_breakdown,in_progress_local}', '1', 'The service is told of tasks that run on users'' machines');
select is(tests.counts('gpu') #> '{totals,active_only}', '0', 'They are no workload of the fleet');
select is(tests.counts('gpu', true, :'token') #> '{totals,active_only}', '1', 'For the token they are');
select is(
  tests.counts('gpu', true, tests.with_token(:'ben')) #> '{totals,active_only}', '0', 'For another user''s token they are not'
);

-- TEST: a token that is not good
select is(
  tests.answer(format('public.task_counts(%L)', '{"kind": "token", "hash": "nobody"}')), '403 UNKNOWN_TOKEN',
  'An unknown token counts nothing'
);

select * from finish();
rollback;
