begin;
select plan(4);

-- TEST: the database explains itself. A function of queue has its comment in the source (gate/migrations/schema-files.test.ts).
select is_empty(
  $$
    select c.oid::regclass
    from pg_catalog.pg_class as c
    where c.relnamespace in ('public'::regnamespace, 'fairlane_core'::regnamespace)
      and c.relkind in ('r', 'p', 'v', 'm', 'f')
      and coalesce(obj_description(c.oid, 'pg_class'), '') = ''
  $$,
  'Every table and view has a comment'
);
select is_empty(
  $$
    select p.oid::regprocedure
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'public'::regnamespace
      and coalesce(obj_description(p.oid, 'pg_proc'), '') = ''
  $$,
  'Every function of the API has a comment'
);
select is_empty(
  $$
    select t.oid::regtype
    from pg_catalog.pg_type as t
      left join pg_catalog.pg_class as c on c.oid = t.typrelid
    where t.typnamespace in ('public'::regnamespace, 'fairlane_core'::regnamespace)
      and (t.typtype in ('e', 'd', 'r') or c.relkind = 'c')
      and coalesce(obj_description(t.oid, 'pg_type'), '') = ''
  $$,
  'Every type has a comment'
);
select is_empty(
  $$
    select a.attname
    from pg_catalog.pg_attribute as a
    where a.attrelid = 'fairlane_core.settings'::regclass
      and a.attnum > 0
      and not a.attisdropped
      and coalesce(col_description(a.attrelid, a.attnum), '') = ''
  $$,
  'Every setting has a comment that says what it does'
);

select * from finish();
rollback;
