-- What follows from tasks that have ended, or were put back after their end, in one statement: result records, what waits
-- for them, their families. The caller holds the locks.
create function queue.settle_ends(p_moved uuid[], p_from text[], p_to text[], p_complete uuid[], p_lost queue.task_end[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if p_complete is not null then
    perform queue.record_generations(p_complete);
    perform queue.settle_dependants(p_complete);
  end if;
  -- The family first: its orchestrator names the child that failed, not one that went with it.
  perform queue.settle_families(p_moved, p_from, p_to);
  if p_lost is not null then
    perform queue.settle_lost(p_lost);
  end if;
end;
$$;

comment on function queue.settle_ends(uuid[], text[], text[], uuid[], queue.task_end[]) is
  'Result records, dependants and families of tasks that went from one status to another (p_moved, p_from, p_to); of these are p_complete Complete, and p_lost Failed or Cancelled.';

revoke all on function queue.settle_ends(uuid[], text[], text[], uuid[], queue.task_end[]) from public, anon, authenticated, service_role;
