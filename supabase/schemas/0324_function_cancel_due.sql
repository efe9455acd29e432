-- Cancels those of these tasks that are still due. What somebody holds is left for the next time, and what was claimed,
-- put back or given its missing dependency since it was found is due no more.
create function queue.cancel_due(p_task_ids uuid[], p_actor text default 'queue.cleanup')
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
      and t.status = 'Queued'
    order by t.id
    for no key update skip locked
  );

  perform queue.say(p_actor);
  with due as materialized (
    select t.id, queue.reason_to_cancel(t) as reason
    from public.tasks as t
    where t.id = any (v_held)
  )
  update public.tasks as t
  set status = 'Cancelled', error_message = d.reason
  from due as d
  where t.id = d.id
    and d.reason is not null;
  get diagnostics v_count = row_count;
  perform queue.say(null);
  return v_count;
end;
$$;

comment on function queue.cancel_due(uuid[], text) is
  'Cancels those of these tasks that have a reason (queue.reason_to_cancel) and that nobody holds, and returns how many.';

revoke all on function queue.cancel_due(uuid[], text) from public, anon, authenticated, service_role;
