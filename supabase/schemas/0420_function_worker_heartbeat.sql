-- The guardian's beat. One unnamed argument of type json, because PostgREST hands the body of a request over to such a
-- function as it came; for named arguments it unpacks the body, and one \u0000 in a log line fails the whole beat.
create function queue.worker_heartbeat(p_body json)
returns json
language plpgsql
volatile
security definer -- writes columns of tasks that no API role may
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_uuid constant text := '^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$';
  v_body json := queue.readable_json(p_body);
  v_worker_id text := v_body ->> 'worker_id_param';
  v_now timestamptz := queue.now();
  v_said text := coalesce(nullif(left(v_body ->> 'status_param', 200), ''), 'active');
  -- One of several machines under that name: the others go on.
  v_is_one_of_many boolean := v_said in ('terminated', 'crashed')
    and v_worker_id = any ((select s.shared_worker_ids from queue.settings as s)::text[]);
  v_status text := queue.beat_or_note(
    v_worker_id, case when v_is_one_of_many then 'active' else v_said end,
    v_body -> 'vram_total_mb_param', v_body -> 'vram_used_mb_param', v_now
  );
  v_current uuid := case
    when v_body ->> 'current_task_id_param' ~ v_uuid then (v_body ->> 'current_task_id_param')::uuid
  end;
  v_logs json[];
  v_surplus integer;
  v_named uuid[] := case when v_current is null then '{}' else array[v_current] end;
  v_names text[] := array[]::text[];
  v_stored integer := 0;
begin
  select b.logs, b.surplus into v_logs, v_surplus from queue.bounded_logs(v_body -> 'logs_param') as b;
  if cardinality(v_logs) > 0 then
    v_stored := queue.store_logs(v_logs, v_worker_id, v_now);
    v_names := array(
      select distinct l.entry ->> 'task_id'
      from unnest(v_logs) as l (entry)
      where case when json_typeof(l.entry) = 'object' then l.entry ->> 'task_id' is not null end
    );
  end if;
  if v_names <> '{}' then
    v_named := array(
      select n.name::uuid
      from unnest(v_names) as n (name)
      where n.name ~ v_uuid
      union
      select v_current
      where v_current is not null
    );
  end if;
  if v_is_one_of_many then
    perform queue.end_one_of_many(v_worker_id, v_said, v_current, v_named, v_logs, v_now);
  elsif v_status = 'terminating' and v_said in ('terminated', 'crashed') then
    -- On its way out anyway; whoever sent it away says when it is gone. Its work is free now.
    perform queue.free_work(array[v_worker_id], v_said = 'terminated');
  elsif v_status not in ('terminated', 'error', 'crashed') then
    perform queue.show_signs_of_life(v_worker_id, v_named, v_names, v_now);
  end if;

  return json_build_object(
    'success', true,
    'heartbeat_updated', true,
    'logs_inserted', v_stored,
    'log_errors', cardinality(v_logs) - v_stored + v_surplus,
    'stop', queue.tasks_to_stop(('service', null, null), v_worker_id, v_named, v_current, v_now)
  );
end;
$$;

comment on function queue.worker_heartbeat(json) is 'See public.func_worker_heartbeat_with_logs.';

revoke all on function queue.worker_heartbeat(json) from public, anon, authenticated, service_role;
grant execute on function queue.worker_heartbeat(json) to service_role;

create function public.func_worker_heartbeat_with_logs(json)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.worker_heartbeat($1);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.func_worker_heartbeat_with_logs(json) is
  'A worker''s beat, with its log lines. The whole body: {worker_id_param, vram_total_mb_param, vram_used_mb_param, logs_param, status_param, current_task_id_param}. With status_param terminated the worker says goodbye: its work is free at once, that start does not count, and its next beat or claim makes it active again. Out: {success, heartbeat_updated, logs_inserted, log_errors, stop: [{task_id, reason}]}. Errors: 400 INVALID_ARGUMENT without a worker id. service_role only.';

revoke all on function public.func_worker_heartbeat_with_logs(json) from public, anon, authenticated, service_role;
grant execute on function public.func_worker_heartbeat_with_logs(json) to service_role;
