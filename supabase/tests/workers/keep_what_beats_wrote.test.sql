begin;
select plan(7);

-- SETUP: what an orchestrator read, before a beat came
delete from public.workers;
insert into public.workers (id, status, metadata) values
  ('gpu-1', 'active', '{"ram_tier": "64", "vram_total_mb": 8192, "vram_used_mb": 1, "vram_timestamp": 17}');
create function pg_temp.patch(p_metadata jsonb, p_status text default 'active') returns jsonb language plpgsql as $$
declare
  v_metadata jsonb;
begin
  set local role service_role;
  update public.workers set status = p_status, metadata = p_metadata where id = 'gpu-1' returning metadata into v_metadata;
  reset role;
  return v_metadata;
end;
$$;
select metadata as stale from public.workers where id = 'gpu-1' \gset
select tests.beat('gpu-1');

-- TEST: the orchestrator writes back what it read
select is(
  (pg_temp.patch(:'stale'::jsonb || '{"promoted_to_active_at": "now"}')) - 'vram_timestamp',
  '{"ram_tier": "64", "vram_total_mb": 24564, "vram_used_mb": 812, "promoted_to_active_at": "now"}',
  'What a heartbeat wrote meanwhile stays'
);
select is(
  (pg_temp.patch('{"orchestrator_status": "active"}')) - 'vram_timestamp',
  '{"orchestrator_status": "active", "ram_tier": "64", "vram_total_mb": 24564, "vram_used_mb": 812, "promoted_to_active_at": "now"}',
  'Also when it could not read and writes an object of its own: nothing is forgotten'
);
select is(
  pg_temp.patch('{"vram_total_mb": 1, "vram_timestamp": 9999999999}') -> 'vram_total_mb', '1', 'Whoever knows newer figures may write them'
);
select isnt(pg_temp.patch(null), null, 'Metadata is never null');
select throws_ok($$ select pg_temp.patch('[]') $$, '23514', null, 'Nor anything else that is no object');
insert into public.workers (id, metadata) values ('gpu-2', null);
select is((tests.worker('gpu-2')).metadata, '{}', 'Nor in a new row');

-- TEST: the reaper's mark
select throws_ok(
  $$ set local role service_role; update public.workers set reaped_at = now() $$, '42501', null, 'No API role can make an error look like the reaper''s'
);

select * from finish();
rollback;
