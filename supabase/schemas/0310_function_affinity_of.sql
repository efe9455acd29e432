-- What a worker would rather run: the model it has loaded. The guard holds for every caller that has a model, so that
-- no task waits for ever because other tasks suit the workers better.
create function queue.affinity_of(p_worker_id text, p_same_model_only boolean, p_max_task_wait_minutes numeric)
returns queue.affinity
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_worker public.workers;
  v_affinity queue.affinity;
begin
  select w.* into v_worker from public.workers as w where w.id = p_worker_id;

  -- Its own goodbye binds nobody: it has come back.
  if v_worker.status in ('terminating', 'terminated', 'error') and v_worker.goodbye_at is null then
    perform queue.refuse(
      409, 'WORKER_NOT_ELIGIBLE',
      pg_catalog.format(
        'Worker %s gets no tasks: its status is %s%s',
        p_worker_id, v_worker.status, coalesce(' (' || (v_worker.metadata ->> 'error_reason') || ')', '')
      ),
      case
        when v_worker.metadata ? 'runpod_id' then 'Stop claiming; a replacement claims under an id of its own'
        else pg_catalog.format(
          'Stop claiming; a replacement claims under an id of its own. A machine that was started by hand is brought back by: select keep_worker(%L)',
          p_worker_id
        )
      end
    );
  end if;

  if v_worker.current_model is not null then
    v_affinity.model := v_worker.current_model;
    v_affinity.is_required := coalesce(p_same_model_only, false);
    v_affinity.waited_since := queue.now() - coalesce(
      make_interval(secs => (p_max_task_wait_minutes * 60)::double precision),
      (select s.max_affinity_wait from queue.settings as s)
    );
  end if;
  return v_affinity;
end;
$$;

comment on function queue.affinity_of(text, boolean, numeric) is
  'The affinity of a worker that claims: its current model, null when none is known; a wait in minutes, queue.settings.max_affinity_wait when null. Raises 409 WORKER_NOT_ELIGIBLE when somebody else than the worker itself has set it to terminating, terminated or error.';

revoke all on function queue.affinity_of(text, boolean, numeric) from public, anon, authenticated, service_role;
