-- What: how the migrations that follow take the tables they change, and build indexes beside running work.
-- Why: an upgrade must not make a claim wait.
-- Back out: drop both functions, after the last migration that calls them.

set lock_timeout = '900ms';

-- A migration that changes a table has to have it for itself for a moment. Whoever waits for that makes everybody else
-- queue up behind, and two tables taken one after the other meet claims that took them in another order. So: all of them
-- at once or none, in tries that are shorter than anybody minds.
create function queue.lock_tables(variadic p_tables regclass[])
returns void
language plpgsql
volatile
security invoker -- whoever may change the tables may lock them
set search_path = ''
as $$
declare
  v_tries constant integer := 100;
  v_lock_timeout text := pg_catalog.current_setting('lock_timeout');
  v_give_up_at timestamptz;
  v_table regclass;
begin
  for v_try in 1 .. v_tries loop
    begin
      -- For all tables together: what is held already is missed by others while the rest is waited for. The busier the
      -- tables are, the longer the tries; never so long that a claim waits for a second.
      v_give_up_at := clock_timestamp() + least(50 + 10 * v_try, 800) * interval '1 millisecond';
      foreach v_table in array p_tables loop
        perform pg_catalog.set_config(
          'lock_timeout', greatest(1, ceil(1000 * extract(epoch from v_give_up_at - clock_timestamp()))) || 'ms', true
        );
        execute pg_catalog.format('lock table %s in access exclusive mode', v_table);
      end loop;
      perform pg_catalog.set_config('lock_timeout', v_lock_timeout, true);
      return;
    exception when lock_not_available or deadlock_detected then
      perform pg_catalog.pg_sleep(0.05 + 0.1 * pg_catalog.random());
    end;
  end loop;

  raise exception using
    errcode = 'lock_not_available',
    message = pg_catalog.format('Tables %s were in use all the time', pg_catalog.array_to_string(p_tables, ', ')),
    hint = 'End the long transaction that holds them (pg_stat_activity), then push again';
end;
$$;

comment on function queue.lock_tables(regclass[]) is
  'For migrations: takes the tables for the transaction, all or none, without making a claim wait for a second. Raises 55P03 when they were in use for about a minute.';

revoke all on function queue.lock_tables(regclass[]) from public, anon, authenticated, service_role;

-- `create index concurrently` that was cut leaves an index that is kept up to date and never used; and the next
-- `if not exists` takes it for done.
create function queue.drop_unfinished_indexes(variadic p_tables regclass[])
returns void
language plpgsql
volatile
security invoker -- whoever may change the tables may drop their indexes
set search_path = ''
as $$
declare
  v_index regclass;
begin
  for v_index in
    select i.indexrelid
    from pg_catalog.pg_index as i
    where i.indrelid = any (p_tables)
      and not i.indisvalid
  loop
    perform queue.lock_tables(variadic p_tables);
    execute pg_catalog.format('drop index %s', v_index);
  end loop;
end;
$$;

comment on function queue.drop_unfinished_indexes(regclass[]) is
  'For migrations that build indexes concurrently: drops what a build that was cut has left on these tables.';

revoke all on function queue.drop_unfinished_indexes(regclass[]) from public, anon, authenticated, service_role;
