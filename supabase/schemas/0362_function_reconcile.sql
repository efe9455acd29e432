-- Mends drift in one transaction, for the operator; the job does it a few owners at a time (queue.run_batch).
create function queue.reconcile(p_limit integer default 100)
returns integer
language plpgsql
volatile
security definer -- writes derived state for the operator
set search_path = ''
as $$
begin
  return queue.reconcile_owners(array(
    select distinct d.user_id from queue.drift() as d order by d.user_id nulls first limit p_limit
  ));
end;
$$;

comment on function queue.reconcile(integer) is
  'Counts again for up to p_limit owners whose counters have drifted, and the totals if they have, and returns how many it mended; 0 is what should come out. Their claims wait until it is committed. Safe to repeat and to run twice at once.';

revoke all on function queue.reconcile(integer) from public, anon, authenticated, service_role;
grant execute on function queue.reconcile(integer) to service_role;
