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
    select distinct (l.entry ->> 'task_id')::uuid from unnest(v_own) as l (entry)
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

create function public.beat(
  p_caller jsonb,
  p_worker_id text,
  p_status text default 'active',
  p_task_ids uuid[] default null,
  p_vram_total_mb json default null,
  p_vram_used_mb json default null,
  p_logs json default null
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.beat_by_route(p_caller, p_worker_id, p_status, p_task_ids, p_vram_total_mb, p_vram_used_mb, p_logs);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.beat(jsonb, text, text, uuid[], json, json, json) is
  'A worker''s beat, as functions call it. A service caller''s is that of func_worker_heartbeat_with_logs. A token''s is a sign of life for what its machine of this name runs: all of it, or the tasks in p_task_ids, where these are given; once it has beaten for a task, token_beat_limit is how long it may be silent. terminated puts what it runs back without counting the start, crashed puts it back. Log lines of tokens are kept if they name a task that the token runs. Out: {success, heartbeat_updated, logs_inserted, log_errors, stop: [{task_id, reason}]}. Errors: 400 INVALID_ARGUMENT, 403 for users. service_role only.';

revoke all on function public.beat(jsonb, text, text, uuid[], json, json, json) from public, anon, authenticated, service_role;
grant execute on function public.beat(jsonb, text, text, uuid[], json, json, json) to service_role;

-- A call that only reads cannot write down that it came; so whoever answers it says it here. It speaks for the task that it
-- names, and for no other: what else runs under the same token may be another machine, dead or alive.
create function queue.note_call(p_caller jsonb, p_task_id uuid)
returns boolean
language plpgsql
volatile
security definer -- writes columns of tasks that no API role may
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['token']);
  v_now timestamptz := queue.now();
begin
  update public.tasks as t
  set seen_at = v_now,
    updated_at = v_now,
    delivered_at = coalesce(t.delivered_at, v_now)
  from (
    select h.id
    from public.tasks as h
    where h.id = p_task_id
      and h.token_id = v_caller.token_id
      and h.status = 'In Progress'
      and greatest(h.claimed_at, h.reported_at, h.seen_at) < v_now - interval '10 seconds'
    for no key update skip locked
  ) as held
  where t.id = held.id;
  return found;
end;
$$;

comment on function queue.note_call(jsonb, uuid) is 'See public.note_call.';

revoke all on function queue.note_call(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function queue.note_call(jsonb, uuid) to service_role;

create function public.note_call(p_caller jsonb, p_task_id uuid)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.note_call(p_caller, p_task_id);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.note_call(jsonb, uuid) is
  'Notes that a token''s call has named a task that it runs: a sign of life. True when it wrote; false when the task is not its own or was heard of within 10 s. service_role only.';

revoke all on function public.note_call(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function public.note_call(jsonb, uuid) to service_role;
