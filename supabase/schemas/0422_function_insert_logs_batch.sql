-- Log lines of orchestrators, which never try twice: what can be stored is stored, the rest is counted.
create function queue.insert_logs_batch(p_body json)
returns json
language plpgsql
volatile
security definer -- the helpers that it calls are nobody's but the queue's
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_body json := queue.readable_json(p_body);
  v_logs json[];
  v_surplus integer;
  v_stored integer;
begin
  select b.logs, b.surplus
  into v_logs, v_surplus
  from queue.bounded_logs(case when json_typeof(v_body) = 'object' then v_body -> 'logs' else v_body end) as b;
  v_stored := queue.store_logs(v_logs, null, queue.now());

  return json_build_object(
    'success', true,
    'inserted', v_stored,
    'errors', cardinality(v_logs) - v_stored + v_surplus
  );
end;
$$;

comment on function queue.insert_logs_batch(json) is 'See public.func_insert_logs_batch.';

revoke all on function queue.insert_logs_batch(json) from public, anon, authenticated, service_role;
grant execute on function queue.insert_logs_batch(json) to service_role;

create function public.func_insert_logs_batch(json)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.insert_logs_batch($1);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.func_insert_logs_batch(json) is
  'Stores log lines. The whole body: {logs: [{timestamp, source_type, source_id, log_level, message, task_id, worker_id, cycle_number, metadata}]}. Out: {success, inserted, errors}. service_role only.';

revoke all on function public.func_insert_logs_batch(json) from public, anon, authenticated, service_role;
grant execute on function public.func_insert_logs_batch(json) to service_role;
