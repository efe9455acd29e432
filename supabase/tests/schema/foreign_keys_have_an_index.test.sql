begin;
select plan(1);

-- TEST: without one, deleting a referenced row reads the whole referencing table
select is_empty(
  $$
    select k.conrelid::regclass, k.conname
    from pg_catalog.pg_constraint as k
    where k.contype = 'f'
      and k.connamespace in ('public'::regnamespace, 'fairlane_core'::regnamespace)
      and not exists (
        select
        from pg_catalog.pg_index as i
        where i.indrelid = k.conrelid
          and i.indisvalid
          and i.indpred is null
          -- The index begins with the key's columns, in any order.
          and (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] @> k.conkey
      )
  $$,
  'Every foreign key has an index that begins with its columns'
);

select * from finish();
rollback;
