-- Where the settings say so, the queued children of orchestrators that failed fail with them: nothing can come of their
-- family any more. Those that run finish. Nobody waits for a task while he holds an owner, so one that somebody is just
-- changing, and more than a hundred children, are left to queue.settle_deferred.
create function queue.fail_children(p_orchestrator_ids uuid[], p_is_late boolean default false)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_most constant integer := 100;
  v_orchestrator record;
  v_mine uuid[];
  v_count integer := 0;
begin
  if not (select s.fails_siblings from queue.settings as s) then
    return 0;
  end if;

  for v_orchestrator in
    select o.orchestrator_id, o.user_id, pg_catalog.left(nullif(t.error_message, ''), 500) as reason,
      -- The child that is the cause, as its orchestrator has been told (queue.judge_orchestration).
      coalesce(
        substring(t.error_message from '^Cascaded failed from related task ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})')::uuid,
        o.orchestrator_id
      ) as root_id
    from queue.orchestrations as o
      join public.tasks as t on t.id = o.orchestrator_id and t.user_id = o.user_id
    where o.orchestrator_id = any (p_orchestrator_ids)
      and t.status = 'Failed'
    order by o.orchestrator_id
  loop
    -- Work for later says it of all of its children; once is enough.
    continue when exists (
      select from queue.deferred_work as w where w.task_id = v_orchestrator.orchestrator_id and w.kind = 'siblings' and w.only_id is null
    );
    if cardinality(queue.next_relatives(v_orchestrator.orchestrator_id, true, null, v_most + 1)) > v_most then
      -- Found late, there may be nothing but children that run, or that an operator has put back.
      if not p_is_late or exists (
        select
        from queue.subtasks as s
          join public.tasks as t on t.id = s.task_id
        where s.orchestrator_id = v_orchestrator.orchestrator_id
          and t.status = 'Queued'
          and t.requeue_count = 0
      ) then
        insert into queue.deferred_work (kind, task_id, user_id, status, root_id, reason, since)
        values (
          'siblings', v_orchestrator.orchestrator_id, v_orchestrator.user_id, 'Failed', v_orchestrator.root_id,
          v_orchestrator.reason, queue.now()
        );
      end if;
      continue;
    end if;

    v_mine := array(
      select t.id
      from queue.subtasks as s
        join public.tasks as t on t.id = s.task_id and t.user_id = s.user_id
      where s.orchestrator_id = v_orchestrator.orchestrator_id
        and s.user_id = v_orchestrator.user_id
        and t.status = 'Queued'
        and not (p_is_late and t.requeue_count > 0)
      order by t.id
      for no key update of t skip locked
    );
    insert into queue.deferred_work (kind, task_id, user_id, status, root_id, reason, only_id, since)
    select
      'siblings', v_orchestrator.orchestrator_id, v_orchestrator.user_id, 'Failed', v_orchestrator.root_id,
      v_orchestrator.reason, t.id, queue.now()
    from queue.subtasks as s
      join public.tasks as t on t.id = s.task_id and t.user_id = s.user_id
    where s.orchestrator_id = v_orchestrator.orchestrator_id
      and s.user_id = v_orchestrator.user_id
      and t.status = 'Queued'
      and t.id <> all (v_mine)
      and not p_is_late;
    perform queue.end_siblings(v_mine, v_orchestrator.user_id, v_orchestrator.orchestrator_id, v_orchestrator.root_id, v_orchestrator.reason);
    v_count := v_count + cardinality(v_mine);
  end loop;
  return v_count;
end;
$$;

comment on function queue.fail_children(uuid[], boolean) is
  'Fails the queued children of these orchestrators, which Failed, where the settings say so, and returns how many; later, when they are many or somebody holds them. p_is_late: not those that an operator has put back since.';

revoke all on function queue.fail_children(uuid[], boolean) from public, anon, authenticated, service_role;
