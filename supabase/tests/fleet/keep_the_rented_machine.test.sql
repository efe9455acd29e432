begin;
select plan(4);

-- SETUP: a rented machine, by the id under which it is given back
delete from public.workers;
insert into public.workers (id, status, metadata) values ('gpu-1', 'active', tests.rented() || '{"ram_tier": "64"}');
create function pg_temp.patch(p_metadata jsonb) returns jsonb language plpgsql as $$
declare
  v_metadata jsonb;
begin
  set local role service_role;
  update public.workers set metadata = p_metadata where id = 'gpu-1' returning metadata into v_metadata;
  reset role;
  return v_metadata;
end;
$$;

-- TEST: an orchestrator that could not read writes an object of its own
select is(pg_temp.patch('{"orchestrator_status": "active"}') ->> 'runpod_id', 'pod', 'The rented machine is not forgotten');
select is(pg_temp.patch(null) ->> 'runpod_id', 'pod', 'Nor when it writes none');
select is(pg_temp.patch('{"runpod_id": "other"}') ->> 'runpod_id', 'other', 'Another machine can be named');
select is(pg_temp.patch('{"runpod_id": null}') -> 'runpod_id', 'null', 'And none, if that is said');

select * from finish();
rollback;
