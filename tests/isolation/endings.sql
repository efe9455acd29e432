-- What ends or revives tasks besides their workers. An hour after the owner's world was made, both of its workers have
-- been silent since; and there are:
--   lost       Failed, was started once; and heir, Failed with it
--   aged       Queued, a week old and never started
create function isolation.insert_endings()
returns void
language plpgsql
as $$
declare
  v_owner uuid := isolation.id('owner');
begin
  delete from public.workers where true;
  insert into public.workers (id, instance_type, status, last_heartbeat)
  select w, 'external', 'active', fairlane_core.now()
  from unnest(array['an-old-worker', 'another-worker']) as w;

  insert into public.tasks (id, task_type, project_id, dependant_on, created_at)
  values
    (isolation.id('lost'), 'clip', v_owner, null, fairlane_core.now()),
    (isolation.id('heir'), 'clip', v_owner, isolation.id('lost'), fairlane_core.now()),
    (isolation.id('aged'), 'clip', v_owner, null, fairlane_core.now() - interval '8 days');
  update public.tasks
  set status = 'In Progress', worker_id = 'a-failed-worker', lease_token = id, attempts = 1, claimed_at = fairlane_core.now()
  where id = isolation.id('lost');
  update public.tasks set status = 'Failed', error_message = 'broken' where id = isolation.id('lost');

  update fairlane_core.settings set clock_offset = interval '1 hour' where true;
end;
$$;

create function isolation.mark_failed(p_session text, p_label text)
returns text
language sql
as $$
  select isolation.told(
    p_session, public.mark_task_failed('{"kind":"service"}', isolation.id(p_label), p_error_message => p_session)
  )
$$;

create function isolation.requeue(variadic p_labels text[])
returns text
language sql
as $$
  select public.requeue_tasks(array(select isolation.id(l) from unnest(p_labels) as l)) ->> 'requeued'
$$;

create function isolation.beat(p_worker_id text)
returns text
language sql
as $$
  select public.func_worker_heartbeat_with_logs(json_build_object('worker_id_param', p_worker_id)) ->> 'stop'
$$;

create function isolation.end_worker(p_worker_id text)
returns void
language sql
as $$
  update public.workers set status = 'terminated' where id = p_worker_id
$$;

-- Each session makes an id of its own; the key says that it is the same task.
create function isolation.create_once(p_session text)
returns text
language sql
as $$
  select isolation.told(p_session, public.create_task('{"kind":"service"}', jsonb_build_object(
    'task_id', isolation.id('created by ' || p_session), 'task_type', 'clip',
    'project', isolation.id('owner'), 'idempotency_key', 'once'
  )))
$$;
