-- Cancels what queue.tasks_to_cancel names, a batch at a time. A dry run lists it instead.
create function queue.cleanup(p_limit integer default 1000, p_dry_run boolean default false)
returns json
language plpgsql
volatile
security definer -- ends tasks for pg_cron and the operator
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_due json;
  v_count integer;
begin
  select coalesce(json_agg(json_build_object('task_id', c.task_id, 'created_at', c.created_at, 'reason', c.reason)), '[]')
  into v_due
  from queue.tasks_to_cancel(p_limit) as c;

  if p_dry_run then
    return json_build_object('cancelled', 0, 'due', v_due, 'dry_run', true);
  end if;

  perform queue.say('queue.cleanup');
  with held as (
    -- What was claimed or given its missing dependency since it was looked at no longer stands like this.
    select t.id
    from public.tasks as t
    where t.id in (select (x.value ->> 'task_id')::uuid from json_array_elements(v_due) as x)
      and t.status = 'Queued'
      and t.standing <> 'ready'
    order by t.id
    for no key update skip locked
  )
  update public.tasks as t
  set status = 'Cancelled', error_message = x.value ->> 'reason'
  from held as h
    join json_array_elements(v_due) as x on (x.value ->> 'task_id')::uuid = h.id
  where t.id = h.id;
  get diagnostics v_count = row_count;
  perform queue.say(null);

  return json_build_object('cancelled', v_count, 'dry_run', false);
end;
$$;

comment on function queue.cleanup(integer, boolean) is
  'Cancels tasks that were never started and are too old, or that can never run, up to p_limit of each kind; returns {cancelled}. A dry run changes nothing and lists them: {cancelled: 0, due: [{task_id, created_at, reason}]}. Safe to repeat and to run twice at once.';

revoke all on function queue.cleanup(integer, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.cleanup(integer, boolean) to service_role;
