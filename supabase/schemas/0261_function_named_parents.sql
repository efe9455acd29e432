-- Clients have named a task's orchestrator in several ways. Texts that are no UUID (people's own ids) name none.
create function queue.named_parents(p_params jsonb)
returns uuid[]
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return (
    select array_agg((p.holder ->> k.key)::uuid order by p.place, k.place)
    from (values (1, p_params), (2, p_params -> 'orchestrator_details')) as p (place, holder)
      cross join (
        values (1, 'orchestrator_task_id_ref'), (2, 'orchestrator_task_id'), (3, 'parent_orchestrator_task_id'), (4, 'orchestrator_id')
      ) as k (place, key)
    where p.holder ->> k.key ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
  );
end;
$$;

comment on function queue.named_parents(jsonb) is
  'The tasks that params name as the orchestrator, the likeliest first; null for none.';

revoke all on function queue.named_parents(jsonb) from public, anon, authenticated, service_role;
