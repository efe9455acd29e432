-- The rows of requests that are new, in one statement, so that each counter moves once. In the order of the ids:
-- two batches with the same ids meet at the first of them and not crosswise.
create function queue.insert_requested_tasks(p_requests queue.task_request[])
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_created uuid[];
  v_waiting uuid[];
begin
  with new_task as (
    insert into public.tasks (
      id, task_type, params, project_id, dependant_on, run_type, priority, available_at, idempotency_key,
      max_attempts, timeout, created_at
    )
    select
      n.task_id, n.task_type, n.params, n.project_id, n.depends_on[1], coalesce(n.run_type, 'cloud'),
      coalesce(n.priority, 0), n.available_at, n.idempotency_key, n.max_attempts,
      make_interval(secs => n.timeout_seconds),
      -- Tasks of one batch keep their order in line.
      coalesce(n.created_at, queue.now() + (n.place - 1) * interval '1 microsecond')
    from unnest(p_requests) with ordinality as n (
      task_id, task_type, params, project, depends_on, run_type, priority, available_at, idempotency_key,
      max_attempts, timeout_seconds, created_at, project_id, owner_id, place
    )
    order by n.task_id
    -- By somebody who inserts into the table directly, a moment ago.
    on conflict do nothing
    returning id
  )
  select array_agg(t.id) into v_created from new_task as t;

  -- The first dependency is in the row itself. Nobody sees the row before the others are there.
  insert into queue.task_dependencies (task_id, depends_on)
  select distinct n.task_id, d.id
  from unnest(p_requests) as n
    cross join unnest(n.depends_on) as d (id)
  where n.task_id = any (v_created)
  on conflict do nothing;

  select array_agg(n.task_id)
  into v_waiting
  from unnest(p_requests) as n
  where n.task_id = any (v_created)
    and cardinality(n.depends_on) > 1;
  if v_waiting is not null then
    perform queue.refuse_cycles(v_waiting);
    perform queue.ask_standing_again(v_waiting);
  end if;
  return coalesce(v_created, array[]::uuid[]);
end;
$$;

comment on function queue.insert_requested_tasks(queue.task_request[]) is
  'Inserts requested tasks with all their dependencies and returns the ids of those that were not there yet.';

revoke all on function queue.insert_requested_tasks(queue.task_request[]) from public, anon, authenticated, service_role;
