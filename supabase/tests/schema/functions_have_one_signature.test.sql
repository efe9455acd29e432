begin;
select plan(1);

-- TEST: with two signatures of one name the API cannot choose, and an added argument makes a second one
select is_empty(
  $$
    select p.pronamespace::regnamespace, p.proname, array_agg(p.oid::regprocedure)
    from pg_catalog.pg_proc as p
    where p.pronamespace in ('public'::regnamespace, 'fairlane_core'::regnamespace)
    group by p.pronamespace, p.proname
    having count(*) > 1
  $$,
  'Every function name has exactly one signature'
);

select * from finish();
rollback;
