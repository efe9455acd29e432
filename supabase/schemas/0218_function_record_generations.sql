-- The result records of tasks that were just completed. Called wherever a task becomes Complete, so there is no way
-- to complete a task of a type that creates generations without one. A task that was put back and completed again
-- replaces its record: task and record never name different results.
create function queue.record_generations(p_task_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into public.generations (
    task_id, project_id, user_id, type, location, thumbnail_url, params, created_at,
    parent_generation_id, child_order, is_child, based_on
  )
  select
    t.id, t.project_id, t.user_id, y.content_type, coalesce(t.file_location, t.output_location), t.thumbnail_url,
    queue.without_secrets(t.params),
    coalesce(t.generation_processed_at, t.updated_at, t.created_at), -- old rows may lack the first two
    l.parent_generation_id, l.child_order, l.parent_generation_id is not null, l.based_on
  from public.tasks as t
    left join public.task_types as y on y.name = t.task_type
    cross join lateral queue.generation_links(t.id, t.user_id, t.params) as l
  where t.id = any (p_task_ids)
    and t.status = 'Complete'
    and t.generation_created
    -- A child that is Complete because another one is shows nothing of its own.
    and not exists (select from queue.subtasks as s where s.task_id = t.id and s.replaced_by is not null)
  on conflict (task_id) do update
    set location = excluded.location,
      thumbnail_url = excluded.thumbnail_url,
      params = excluded.params;
end;
$$;

comment on function queue.record_generations(uuid[]) is
  'Records one generation for each of these tasks that is Complete and of a type that creates them.';

revoke all on function queue.record_generations(uuid[]) from public, anon, authenticated, service_role;
