-- Notes that what waits for these tasks is to end with them.
create function queue.defer_lost(p_lost queue.task_end[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into queue.deferred_work (kind, task_id, user_id, status, root_id, reason, since)
  select 'lost', l.task_id, l.user_id, l.status, l.task_id, pg_catalog.left(nullif(l.reason, ''), 500), queue.now()
  from unnest(p_lost) as l
  where l.user_id is not null
    and exists (select from queue.task_dependencies as d where d.depends_on = l.task_id);
end;
$$;

comment on function queue.defer_lost(queue.task_end[]) is
  'Leaves it to queue.settle_deferred to end what waits for these tasks, which were lost.';

revoke all on function queue.defer_lost(queue.task_end[]) from public, anon, authenticated, service_role;
