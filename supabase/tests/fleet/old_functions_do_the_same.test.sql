begin;
select plan(2);

-- SETUP
delete from public.workers;
delete from public.system_logs;

-- TEST: a beat without logs, and logs without a beat
set local role service_role;
select public.func_update_worker_heartbeat('{"worker_id_param": "gpu-plain", "vram_total_mb_param": 8192, "vram_used_mb_param": 1}');
select is(
  public.func_insert_logs_batch('{"logs": [{"source_type": "orchestrator_gpu", "message": "spawn failed"}]}')::jsonb,
  '{"success": true, "inserted": 1, "errors": 0}', 'A batch of an orchestrator is stored and counted'
);
reset role;
select is((tests.worker('gpu-plain')).metadata ->> 'vram_total_mb', '8192', 'A heartbeat without logs does the same as one with them');

select * from finish();
rollback;
