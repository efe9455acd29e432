begin;
select plan(5);

-- TEST: all tables, for the transaction
select fairlane_core.lock_tables('public.workers', 'fairlane_core.settings');
select results_eq(
  $$
    select l.relation::regclass::text
    from pg_locks as l
    where l.pid = pg_backend_pid() and l.mode = 'AccessExclusiveLock' and l.granted
      and l.relation in ('public.workers'::regclass, 'fairlane_core.settings'::regclass)
    order by l.relation::regclass::text = 'fairlane_core.settings'
  $$,
  array['public.workers'::regclass::text, 'fairlane_core.settings'],
  'lock_tables() holds each of them'
);

-- TEST: the caller's own patience is as before
set local lock_timeout = '7s';
select fairlane_core.lock_tables('public.projects');
select is(current_setting('lock_timeout'), '7s', 'lock_tables() leaves lock_timeout as it was');

-- TEST: an index that is complete stays
select fairlane_core.drop_unfinished_indexes('public.tasks', 'public.system_logs');
select isnt(to_regclass('public.tasks_ready'), null, 'drop_unfinished_indexes() keeps what is in use');

-- TEST: they are for migrations
set local role service_role;
select throws_ok($$select fairlane_core.lock_tables('public.tasks')$$, '42501', null, 'Not for service keys');
select throws_ok($$select fairlane_core.drop_unfinished_indexes('public.tasks')$$, '42501', null, 'Neither of them');

select * from finish();
rollback;
