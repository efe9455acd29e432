-- Families that were missed: an orchestrator whose children say that it has ended and which has not, and children that a
-- cancelled orchestrator left behind. Once a minute; bounded, safe to run twice or in parallel, and it waits for nobody:
-- what somebody holds is left for the next time.
create function queue.mend_orchestrations(p_limit integer default 100)
returns json
language plpgsql
volatile
security definer -- ends tasks for pg_cron and the operator
set search_path = ''
set enable_seqscan = off -- few families need it, however many there are
as $$
declare
  v_quiet_before timestamptz := queue.now() - (select s.family_quiet_after from queue.settings as s);
  v_family record;
  v_ended_as text;
  v_complete integer := 0;
  v_failed integer := 0;
  v_cancelled integer := 0;
  v_children integer := 0;
  v_children_failed integer := 0;
begin
  perform queue.say('queue.mend_orchestrations');
  for v_family in
    select f.orchestrator_id, f.user_id, f.ended_as, f.is_quiet
    from (
      select o.orchestrator_id, o.user_id, o.ended_as, o.changed_at < v_quiet_before as is_quiet, o as family
      from queue.orchestrations as o
      where (
        o.ended_as is null
        and (o.failed_count > 0 or (o.open_count = 0 and o.complete_count + o.cancelled_count > 0))
      ) or (o.ended_as = 'Cancelled' and o.open_count > 0)
    ) as f
      join public.tasks as t on t.id = f.orchestrator_id and t.user_id = f.user_id
    where f.ended_as = 'Cancelled'
      or (t.status = 'In Progress' and queue.is_enqueued(f.family, t, f.is_quiet))
      or (t.status = 'Queued' and t.claimed_at is not null and (f.family).failed_count + (f.family).cancelled_count = 0
        and queue.is_enqueued(f.family, t, f.is_quiet))
    order by f.user_id, f.orchestrator_id
    limit p_limit
  loop
    perform from public.tasks as t where t.id = v_family.orchestrator_id for no key update skip locked;
    continue when not found;
    perform from queue.user_slots as s where s.user_id = v_family.user_id for no key update skip locked;
    continue when not found;

    if v_family.ended_as = 'Cancelled' then
      v_children := v_children + queue.cancel_children(array[v_family.orchestrator_id], 'Cancelled');
    else
      v_ended_as := queue.judge_orchestration(v_family.orchestrator_id, v_family.is_quiet);
      v_complete := v_complete + coalesce(v_ended_as = 'Complete', false)::integer;
      v_failed := v_failed + coalesce(v_ended_as = 'Failed', false)::integer;
      v_cancelled := v_cancelled + coalesce(v_ended_as = 'Cancelled', false)::integer;
    end if;
  end loop;

  -- Children that were running when their family failed, and were put back since.
  for v_family in
    select o.orchestrator_id, o.user_id
    from queue.orchestrations as o
    where o.ended_as = 'Failed'
      and o.open_count > 0
      and (select s.fails_siblings from queue.settings as s)
      and exists (
        select
        from queue.subtasks as k
        where k.orchestrator_id = o.orchestrator_id
          and (select t.status = 'Queued' and t.requeue_count = 0 from public.tasks as t where t.id = k.task_id)
      )
    order by o.user_id, o.orchestrator_id
    limit p_limit
  loop
    perform from queue.user_slots as s where s.user_id = v_family.user_id for no key update skip locked;
    continue when not found;
    v_children_failed := v_children_failed + queue.fail_children(array[v_family.orchestrator_id], true);
  end loop;
  perform queue.say(null);

  return json_build_object(
    'completed', v_complete, 'failed', v_failed, 'cancelled', v_cancelled, 'children_cancelled', v_children,
    'children_failed', v_children_failed
  );
end;
$$;

comment on function queue.mend_orchestrations(integer) is
  'Ends at most p_limit orchestrators that their children have ended, and the children that cancelled ones left, or failed ones where these go with them; returns {completed, failed, cancelled, children_cancelled, children_failed}.';

revoke all on function queue.mend_orchestrations(integer) from public, anon, authenticated, service_role;
grant execute on function queue.mend_orchestrations(integer) to service_role;
