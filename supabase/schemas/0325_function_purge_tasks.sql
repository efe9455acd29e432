-- Deletes those of these finished tasks that nobody needs. What somebody holds is left for the next time, and what was put
-- back into the queue since it was found is not finished any more.
create function queue.purge_tasks(p_task_ids uuid[])
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_held uuid[];
  v_count integer;
begin
  v_held := array(
    select t.id
    from public.tasks as t
    where t.id = any (p_task_ids)
    order by t.id
    for update skip locked
  );

  perform queue.say('queue.purge');
  delete from public.tasks as t
  where t.id = any (v_held)
    and queue.may_be_purged(t);
  get diagnostics v_count = row_count;
  perform queue.say(null);
  return v_count;
end;
$$;

comment on function queue.purge_tasks(uuid[]) is
  'Deletes those of these tasks that may be purged (queue.may_be_purged) and that nobody holds, and returns how many.';

revoke all on function queue.purge_tasks(uuid[]) from public, anon, authenticated, service_role;
