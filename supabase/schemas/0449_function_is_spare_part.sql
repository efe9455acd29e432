-- A child that has taken the place of another one, which takes it back when this one is deleted (queue.leave_families):
-- nothing is lost with it. Not in the place of one that has failed: that one would count again, and end the job. Policies
-- ask this on behalf of roles that may read nothing else (queue.allow_anon_deletes).
create function queue.is_spare_part(p_task_id uuid)
returns boolean
language plpgsql
stable
security definer -- asked on behalf of anon, which may not read families
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  return exists (select from queue.subtasks as s where s.replaced_by = p_task_id)
    and not exists (
      select
      from queue.subtasks as s
        join public.tasks as t on t.id = s.task_id
      where s.replaced_by = p_task_id and t.status = 'Failed'
    );
end;
$$;

comment on function queue.is_spare_part(uuid) is
  'Whether the task is a child in whose place another one, which has not failed, would count again. anon may execute it while its deletes are allowed.';

revoke all on function queue.is_spare_part(uuid) from public, anon, authenticated, service_role;
