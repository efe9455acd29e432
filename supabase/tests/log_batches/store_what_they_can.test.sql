begin;
select plan(5);

-- SETUP
delete from public.system_logs;
create function pg_temp.insert_logs(p_body json) returns jsonb language plpgsql as $$
declare
  v_reply json;
begin
  set local role service_role;
  v_reply := fairlane_core.insert_logs_batch(p_body);
  reset role;
  return v_reply;
end;
$$;

-- TEST: as an orchestrator sends them
select is(
  pg_temp.insert_logs('{"logs": [
    {"timestamp": "x", "source_type": "orchestrator_gpu", "source_id": "orch", "log_level": "ERROR", "message": "spawn \u0000 failed",
     "metadata": {"module": "m"}, "cycle_number": 3, "task_id": "t", "worker_id": "gpu-1"}]}'),
  '{"success": true, "inserted": 1, "errors": 0}', 'A batch is stored and counted'
);
select is(
  (select to_jsonb(l) - 'id' - 'timestamp' from public.system_logs as l),
  jsonb_build_object(
    'source_type', 'orchestrator_gpu', 'source_id', 'orch', 'log_level', 'ERROR', 'message', U&'spawn \FFFD failed',
    'metadata', '{"module": "m"}'::jsonb, 'cycle_number', 3, 'task_id', 't', 'worker_id', 'gpu-1'
  ), 'With everything it says'
);

-- TEST: odd ones
select is(
  pg_temp.insert_logs('{"logs": [{"message": "no source", "cycle_number": -1}, 7, {"message": "x", "cycle_number": "99999999999"}]}'),
  '{"success": true, "inserted": 2, "errors": 1}', 'What is no line is counted'
);
select is(
  (select array[source_type, log_level, cycle_number::text] from public.system_logs where message = 'no source'),
  array['unknown', 'INFO', null], 'What is missing is filled in'
);
select is(pg_temp.insert_logs('{}'), '{"success": true, "inserted": 0, "errors": 0}', 'No logs are no error');

select * from finish();
rollback;
