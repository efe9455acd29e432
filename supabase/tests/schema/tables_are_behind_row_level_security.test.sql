begin;
select plan(3);

-- TEST: the Data API exposes public; queue follows the same rule, in case it ever is exposed
select is_empty(
  $$
    select c.oid::regclass
    from pg_catalog.pg_class as c
    where c.relnamespace in ('public'::regnamespace, 'fairlane_core'::regnamespace)
      and c.relkind in ('r', 'p')
      and not c.relrowsecurity
  $$,
  'Every table has row level security'
);

-- TEST: a policy without a role also holds for roles nobody thought of
select is_empty(
  $$
    select p.schemaname, p.tablename, p.policyname
    from pg_catalog.pg_policies as p
    where p.schemaname in ('public', 'fairlane_core')
      and 'public' = any (p.roles)
  $$,
  'Every policy names its role'
);

-- TEST: tables of schema fairlane_core are reached through functions only
select is_empty(
  $$
    select p.tablename, p.policyname from pg_catalog.pg_policies as p where p.schemaname = 'fairlane_core'
  $$,
  'No policy opens a table of schema fairlane_core'
);

select * from finish();
rollback;
