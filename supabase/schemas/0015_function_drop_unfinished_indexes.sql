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
