-- A beat through the functions, where every call has a route: by the service key for a worker of the fleet, which is the
-- guardian's beat; by a token for the machine of its owner.
create function queue.beat_by_route(
  p_caller jsonb,
  p_worker_id text,
  p_status text,
  p_task_ids uuid[],
  p_vram_total_mb json,
  p_vram_used_mb json,
  p_logs json
)
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
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token']);
  v_now timestamptz := queue.now();
  v_held uuid[];
  v_logs json[];
  v_own json[];
  v_surplus integer;
  v_stored integer;
  v_named uuid[];
begin
  if v_caller.kind = 'service' then
    return queue.worker_heartbeat(json_build_object(
      'worker_id_param', p_worker_id,
      'status_param', p_status,
      'vram_total_mb_param', p_vram_total_mb,
      'vram_used_mb_param', p_vram_used_mb,
      -- Beats of the fleet name one.
      'current_task_id_param', p_task_ids[1],
      'logs_param', p_logs
    ));
  end if;
  if p_worker_id is null or length(p_worker_id) not between 1 and 200 then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT', 'A beat names its worker in 1 to 200 characters', 'Send worker_id'
    );
  end if;

  -- Of the lines of a machine that anybody may own those are kept that are about what it runs.
  v_held := array(select t.id from public.tasks as t where t.token_id = v_caller.token_id and t.status = 'In Progress');
  select b.logs, b.surplus into v_logs, v_surplus from queue.bounded_logs(p_logs) as b;
  v_own := array(
    select l.entry
    from unnest(v_logs) with ordinality as l (entry, place)
    where case
        when json_typeof(l.entry) = 'object' and l.entry ->> 'task_id' ~ v_uuid then (l.entry ->> 'task_id')::uuid = any (v_held)
      end
    order by l.place
  );
  v_stored := queue.store_logs(v_own, queue.holder_name(v_caller, p_worker_id), v_now);
  v_named := array(
    select distinct t.id
    from unnest(v_own) as l (entry)
      join public.tasks as t on t.id = (l.entry ->> 'task_id')::uuid
    -- A last beat may bring lines about an earlier start of what another machine under this name has now.
    where p_status not in ('terminated', 'crashed') or p_status is null
      or queue.log_time(l.entry ->> 'timestamp', v_now) >= coalesce(t.claimed_at, '-infinity')
    union
    select n.id from unnest(p_task_ids) as n (id)
  );

  perform queue.beat_of_token(v_caller, p_worker_id, p_status, p_task_ids, v_named, v_now);

  return json_build_object(
    'success', true,
    'heartbeat_updated', true,
    'logs_inserted', v_stored,
    'log_errors', cardinality(v_logs) - v_stored + v_surplus,
    'stop', queue.tasks_to_stop(v_caller, queue.holder_name(v_caller, p_worker_id), v_named, p_task_ids[1], v_now)
  );
end;
$$;

comment on function queue.beat_by_route(jsonb, text, text, uuid[], json, json, json) is 'See public.beat.';

revoke all on function queue.beat_by_route(jsonb, text, text, uuid[], json, json, json) from public, anon, authenticated, service_role;
grant execute on function queue.beat_by_route(jsonb, text, text, uuid[], json, json, json) to service_role;
