begin;
select plan(12);

-- SETUP: 120 users with three tasks each, one of whom has waited longest; one user at the limit, one who may not
select tests.empty_queue();
create temporary table owners as select tests.create_user(p_max_in_progress => 2) as id, n from generate_series(1, 120) as n;
select tests.create_task(o.id) from owners as o, generate_series(1, 3);
update fairlane_core.user_queues as l set last_served_at = fairlane_core.now() - o.n * interval '1 minute' from owners as o where o.id = l.user_id;
select id as first from owners where n = 120 \gset
select id as last from owners where n = 1 \gset
select tests.create_user(p_max_in_progress => 0) as full_user \gset
select tests.create_user(p_credits => 0) as poor \gset
select tests.create_task(:'full_user'), tests.create_task(:'poor');

-- TEST: numbers are of all, lists of the first hundred
select is(tests.claimable(), 240, 'queued_only counts every user');
select is(tests.counts() -> 'users_total', '122', 'users_total counts those who are not listed, too');
select is(jsonb_array_length(tests.counts() -> 'users'), 100, 'users lists a hundred');
select is(jsonb_array_length(tests.counts() -> 'queued_tasks'), 100, 'queued_tasks lists a hundred');
select is(tests.counts() -> 'blocked', '{"no_credits": 1, "user_at_limit": 121}', 'blocked counts every user');

-- TEST: whose turn it is comes first, one task of each before a second of anyone
select is(tests.counts() #>> '{queued_tasks,0,user_id}', :'first', 'The task of who has waited longest is the first');
select is(
  (select count(distinct t ->> 'user_id')::integer from jsonb_array_elements(tests.counts() -> 'queued_tasks') as t), 100,
  'A hundred users are served before anyone is served twice'
);
select is_empty(
  format($$ select from jsonb_array_elements(tests.counts() -> 'users') as u where u ->> 'user_id' = %L $$, :'last'),
  'Who was served last is not in the list'
);

-- TEST: claims follow the list
create temporary table listed as
select (t.value ->> 'task_id')::uuid as task_id, t.place from jsonb_array_elements(tests.counts() -> 'queued_tasks') with ordinality as t (value, place);
select results_eq(
  $$ select tests.claim('gpu-' || n) from generate_series(1, 30) as n $$,
  $$ select l.task_id from listed as l order by l.place limit 30 $$,
  'Claims hand out what the list says, in its order'
);

-- TEST: with few users all are listed, those with nothing to claim last
delete from public.users where id in (select o.id from owners as o where o.n > 5);
select is(jsonb_array_length(tests.counts() -> 'users'), 7, 'All users with live work are listed');
select set_eq(
  $$ select u ->> 'blocked_by' from jsonb_array_elements(tests.counts() -> 'users') with ordinality as a (u, place) where place > 5 $$,
  array['no_credits', 'user_at_limit'], 'Those who may run nothing come last'
);

-- TEST: rounds go on where one user has more room than the others
update public.users set max_in_progress = 9 where id = :'last';
select tests.create_task(:'last') from generate_series(1, 6);
select is(
  (select count(*)::integer from jsonb_array_elements(tests.counts() -> 'queued_tasks')), tests.claimable(),
  'Everything claimable is listed when it fits'
);

select * from finish();
rollback;
