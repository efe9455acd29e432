begin;
select plan(1);

-- TEST: a violated constraint's name is all that a caller sees; only a primary key says enough by its default name
select is_empty(
  $$
    select k.conrelid::regclass, k.conname
    from pg_catalog.pg_constraint as k
    where k.connamespace in ('public'::regnamespace, 'fairlane_core'::regnamespace)
      and k.contype <> 't'
      and k.conname ~ '_(check|fkey|key|excl|not_null)\d*$'
  $$,
  'No constraint has a name that Postgres made up'
);

select * from finish();
rollback;
