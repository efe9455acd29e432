begin;
select plan(2);

-- TEST: what runs with its owner's rights is not in a schema that the Data API exposes
select is_empty(
  $$
    select p.oid::regprocedure
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'public'::regnamespace
      and p.prosecdef
  $$,
  'No function of schema public is security definer'
);

-- TEST: a view that runs with its owner's rights would pass by every policy
select is_empty(
  $$
    select c.oid::regclass
    from pg_catalog.pg_class as c
    where c.relnamespace in ('public'::regnamespace, 'fairlane_core'::regnamespace)
      and c.relkind in ('v', 'm')
      and not coalesce(c.reloptions && array['security_invoker=true', 'security_invoker=on'], false)
  $$,
  'Every view is a security_invoker view'
);

select * from finish();
rollback;
