begin;
select plan(6);

-- SETUP
delete from public.workers;
insert into public.workers (id, status, last_heartbeat) select 'gpu-' || i, 'active', null from generate_series(1, 4) as i;
create function pg_temp.reason_of(p_worker_id text) returns text language sql as $$
  select (tests.worker(p_worker_id)).metadata ->> 'error_reason';
$$;
select tests.authenticate_as('service_role');
update public.workers set status = 'terminated' where id = 'gpu-1';
update public.workers set status = 'error', metadata = '{"error_reason": "cuda died"}' where id = 'gpu-2';
update public.workers set status = 'error', metadata = '{"error_reason": ""}' where id = 'gpu-3';
update public.workers set status = 'terminating' where id = 'gpu-4';
insert into public.workers (id, status) values ('gpu-5', 'error');
select tests.clear_authentication();

-- TEST
select is(
  pg_temp.reason_of('gpu-1'), 'Set to terminated without a reason by service_role; it was active, last beat never', 'An end without a reason gets one'
);
select is(pg_temp.reason_of('gpu-2'), 'cuda died', 'A reason that is there stays');
select matches(pg_temp.reason_of('gpu-3'), '^Set to error without a reason', 'An empty one is none');
select is(pg_temp.reason_of('gpu-4'), null, 'A worker on its way out needs none yet');
select is(pg_temp.reason_of('gpu-5'), 'Set to error without a reason by service_role', 'A worker that begins in error has one too');
select tests.beat('gpu-3', '[]', '{"status_param": "crashed"}');
select matches(pg_temp.reason_of('gpu-3'), '^Set to error', 'A later heartbeat does not change it');

select * from finish();
rollback;
