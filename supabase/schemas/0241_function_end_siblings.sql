-- The end of children whose family has failed, in the words that deployed debug tools look for. The owner is locked by now,
-- so what waits for them is not: most of it is among them, and the rest follows in its turn (queue.settle_deferred).
create function queue.end_siblings(p_task_ids uuid[], p_user_id uuid, p_orchestrator_id uuid, p_root_id uuid, p_reason text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if cardinality(p_task_ids) > 0 then
    insert into queue.deferred_work (kind, task_id, user_id, status, root_id, reason, since)
    select 'lost', m.id, p_user_id, 'Failed', p_root_id, p_reason, queue.now()
    from unnest(p_task_ids) as m (id)
    where exists (
      select from queue.task_dependencies as d where d.depends_on = m.id and d.task_id <> all (p_task_ids)
    );
    perform set_config('queue.ends_in_turn', 'on', true);
    perform queue.end_tasks(array(
      select (
        m.id, p_user_id, 'Failed',
        pg_catalog.format(
          'Cascaded failed from related task %s: orchestrator %s has Failed%s', p_root_id, p_orchestrator_id,
          ' (' || p_reason || ')'
        )
      )::queue.task_end
      from unnest(p_task_ids) as m (id)
    ));
  end if;
end;
$$;

comment on function queue.end_siblings(uuid[], uuid, uuid, uuid, text) is
  'Ends these children Failed, because the task p_root_id has failed and their orchestrator with it.';

revoke all on function queue.end_siblings(uuid[], uuid, uuid, uuid, text) from public, anon, authenticated, service_role;
