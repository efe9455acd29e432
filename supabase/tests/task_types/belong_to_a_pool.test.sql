begin;
select plan(3);

-- TEST: what may be named is what there is
select lives_ok(
  $$ insert into public.task_types (name, run_type) select 'of_' || p, p from unnest(fairlane_core.pools()) as p $$,
  'A type may belong to each pool'
);
select lives_ok($$ update fairlane_core.settings set paused_pools = fairlane_core.pools() $$, 'And each may be paused');
select throws_ok(
  $$ insert into public.task_types (name, run_type) values ('of_none', 'tpu') $$, '23514', null, 'There is no other'
);

select * from finish();
rollback;
