-- Finished tasks that nobody needs any more. Nothing leads to them in the order of their age, so this looks through the
-- table: ask once for many.
create function queue.tasks_to_purge(p_limit integer)
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if (select s.finished_task_retention is null from queue.settings as s) then
    return;
  end if;

  return query
  select t.*
  from public.tasks as t
  where t.status in ('Complete', 'Failed', 'Cancelled')
    and coalesce(t.updated_at, t.created_at) < queue.now() - (select s.finished_task_retention from queue.settings as s)
    and queue.may_be_purged(t)
  limit p_limit;
end;
$$;

comment on function queue.tasks_to_purge(integer) is
  'Up to p_limit finished tasks that may be deleted (queue.may_be_purged); none while queue.settings.finished_task_retention is null.';

revoke all on function queue.tasks_to_purge(integer) from public, anon, authenticated, service_role;
