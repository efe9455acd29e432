-- What the upgrade from August 2025 has left for an operator to decide.

-- Tasks from before the upgrade with something that could not be determined, for an operator to decide, oldest first,
-- each with the problem (unknown_status, no_owner, no_run_type, no_reason, no_generation, no_age) and what to do. Empty
-- on a database that began later. Reads every task. For operators: no API role may execute it.
create function fairlane_core.upgrade_report()
returns table (task_id uuid, task_type text, status text, created_at timestamptz, problem text, what_to_do text)
language plpgsql
stable
security invoker -- for operators, who may read every row anyway
set search_path = ''
as $$
#variable_conflict use_column
begin
  return query
  select
    t.id, t.task_type, t.status, t.created_at, p.problem,
    case p.problem
      when 'unknown_status' then
        'Nobody runs it. Delete it, or with the triggers of tasks disabled set a status of the five'
      when 'no_owner' then case
        when t.status = 'Queued' then
          'It never runs. Cancel it (the cleanup does, after stale_after), or set project_id and user_id to those of one project'
        else 'Its owner cannot see it. Set project_id and user_id to those of one project, or leave it'
      end
      when 'no_run_type' then
        'It never runs. Cancel it (the cleanup does, after stale_after), or set run_type to cloud, and created_at to fairlane_core.now() if it is older than stale_after'
      when 'no_reason' then 'Nothing: why it failed was never stored'
      when 'no_age' then 'Nothing: when it was made was never stored; created_at is the time of the upgrade'
      when 'no_generation' then case
        when t.generation_created then pg_catalog.format(
          'Nothing, if the app deleted its record; else select fairlane.repair_generations(p_task_ids => array[%L]::uuid[])', t.id
        )
        else 'select fairlane.repair_generations(1000, true), then with false, records its result'
      end
    end
  from fairlane.tasks as t
    cross join lateral (
      select case
        when t.status not in ('Queued', 'In Progress', 'Complete', 'Failed', 'Cancelled') then 'unknown_status'
        when t.user_id is null then 'no_owner'
        when t.run_type is null and t.status = 'Queued' then 'no_run_type'
        when t.status = 'Failed' and t.error_message is null then 'no_reason'
        when t.status = 'Complete'
          and t.run_type is null
          and fairlane_core.creates_generation(t.task_type, t.params)
          and not exists (select from fairlane.generations as g where g.task_id = t.id)
          then 'no_generation'
        -- Live tasks are listed under no_run_type, with the same effect: somebody has to check them.
        when t.run_type is null and t.created_at > t.generation_processed_at then 'no_age'
      end as problem
    ) as p
  where p.problem is not null
  order by t.created_at, t.id;
end;
$$;
