-- Whoever names a pool names one that is there; null is for the caller to read.
create function queue.refuse_unknown_pool(p_pool text)
returns void
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if p_pool <> all (queue.pools()) then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('The run_type must be one of %s, not %s', array_to_string(queue.pools(), ', '), p_pool)
    );
  end if;
end;
$$;

comment on function queue.refuse_unknown_pool(text) is 'Raises 400 INVALID_ARGUMENT when this is no pool of work.';

revoke all on function queue.refuse_unknown_pool(text) from public, anon, authenticated, service_role;
