-- How many tasks this caller could claim one after another now.
create function queue.claimable_count(p_caller queue.caller, p_pool text)
returns integer
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (queue.load_summary(p_caller, p_pool)).claimable;
end;
$$;

comment on function queue.claimable_count(queue.caller, text) is
  'How many tasks this caller could claim one after another now, in one pool or all (null).';

revoke all on function queue.claimable_count(queue.caller, text) from public, anon, authenticated, service_role;
