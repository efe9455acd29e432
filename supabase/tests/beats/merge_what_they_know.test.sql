begin;
select plan(9);

-- SETUP
delete from public.workers;
insert into public.workers (id, status, metadata) values ('gpu-1', 'active', '{"machine": "pod", "ram_tier": "64"}');

-- TEST: what is known stays
select is(tests.beat('gpu-1') - 'stop', '{"success": true, "heartbeat_updated": true, "logs_inserted": 0, "log_errors": 0}', 'A heartbeat returns an object');
select is(
  (tests.worker('gpu-1')).metadata - 'vram_timestamp',
  '{"machine": "pod", "ram_tier": "64", "vram_total_mb": 24564, "vram_used_mb": 812}', 'A heartbeat adds what it knows and keeps the rest'
);
select is(
  ((tests.worker('gpu-1')).metadata -> 'vram_timestamp')::numeric, round(extract(epoch from fairlane_core.now()), 3),
  'The time of what it knows is the database''s'
);
select is((tests.worker('gpu-1')).last_heartbeat, fairlane_core.now(), 'So is the time of the heartbeat');

-- TEST: a worker without nvidia-smi
select tests.beat('gpu-1', '[]', '{"vram_total_mb_param": 0, "vram_used_mb_param": 0}');
select is((tests.worker('gpu-1')).metadata ->> 'vram_total_mb', '24564', 'A heartbeat that knows nothing removes nothing');
select tests.beat('gpu-new', '[]', '{"vram_total_mb_param": 0, "vram_used_mb_param": 0}');
select is((tests.worker('gpu-new')).metadata, '{}', 'An unknown worker begins with an empty object');
select tests.beat('gpu-other');
select is(
  (tests.worker('gpu-other')).metadata - 'vram_timestamp', '{"vram_total_mb": 24564, "vram_used_mb": 812}', 'Or with what its heartbeat knows'
);
select is((tests.worker('gpu-other')).status, 'active', 'And with the status it sends');

-- TEST: numbers that are none
select lives_ok(
  $$ select tests.beat('gpu-1', '[]', '{"vram_total_mb_param": "many", "vram_used_mb_param": -1}') $$, 'Odd numbers do not fail a heartbeat'
);

select * from finish();
rollback;
