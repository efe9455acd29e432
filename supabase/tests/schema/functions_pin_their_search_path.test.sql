begin;
select plan(1);

-- TEST: what a function's names mean is not up to its caller
select is_empty(
  $$
    select p.oid::regprocedure
    from pg_catalog.pg_proc as p
    where p.pronamespace in ('public'::regnamespace, 'fairlane_core'::regnamespace)
      and not coalesce(p.proconfig @> array['search_path=""'], false)
  $$,
  'Every function has set search_path = '''''
);

select * from finish();
rollback;
