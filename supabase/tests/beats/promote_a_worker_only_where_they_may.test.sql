begin;
select plan(22);

-- SETUP
delete from public.workers;
insert into public.workers (id, status, metadata) values
  ('inactive', 'inactive', '{}'), ('spawning', 'spawning', '{}'), ('active', 'active', '{}'),
  ('crashed', 'crashed', '{}'), ('error', 'error', '{"error_reason": "operator"}'),
  ('terminating', 'terminating', '{}'), ('terminated', 'terminated', '{}'), ('odd', 'out to lunch', '{}'),
  ('silent', 'active', '{"machine": "pod"}'), ('dismissed', 'active', '{}');
create function pg_temp.status_after_beat(p_worker_id text, p_status text default 'active') returns text language plpgsql as $$
begin
  perform tests.beat(p_worker_id, '[]', jsonb_build_object('status_param', p_status));
  return (tests.worker(p_worker_id)).status;
end;
$$;

-- TEST: a worker that says it is alive
select is(pg_temp.status_after_beat('inactive'), 'active', 'An inactive worker becomes active');
select is(pg_temp.status_after_beat('spawning'), 'active', 'A spawning worker becomes active');
select is(pg_temp.status_after_beat('active'), 'active', 'An active worker stays active');
select is(pg_temp.status_after_beat('crashed'), 'active', 'A worker that came back after a crash becomes active');
select is(pg_temp.status_after_beat('terminating'), 'terminating', 'A terminating worker stays so');
select is(pg_temp.status_after_beat('terminated'), 'terminated', 'A terminated worker stays so');
select is(pg_temp.status_after_beat('error'), 'error', 'A worker that an operator set to error stays so');
select is(pg_temp.status_after_beat('odd'), 'out to lunch', 'A status that nobody knows is left');
select is(
  (select count(*)::integer from public.workers where last_heartbeat = fairlane_core.now()), 8, 'Each of these heartbeats is recorded all the same'
);

-- TEST: an error that only the reaper set
select ok(fairlane_core.mark_reaped('silent', 'No heartbeat for 100 s'), 'The reaper sets a worker to error');
select is((tests.worker('silent')).metadata ->> 'error_reason', 'No heartbeat for 100 s', 'With its reason');
select is(pg_temp.status_after_beat('silent'), 'active', 'The next heartbeat reverts that');
select is(
  (select w.metadata - array['vram_timestamp', 'vram_total_mb', 'vram_used_mb'] from public.workers as w where w.id = 'silent'),
  '{"machine": "pod", "last_error_reason": "No heartbeat for 100 s"}', 'The reason is now what the last error was'
);
select is((tests.worker('silent')).reaped_at, null, 'The mark is gone');
select ok(not fairlane_core.mark_reaped('error', 'silence'), 'The reaper does not touch a worker that is in error already');

-- TEST: an operator who agrees with the reaper
select fairlane_core.mark_reaped('dismissed', 'No heartbeat for 100 s');
set local role service_role;
update public.workers set status = 'error' where id = 'dismissed';
reset role;
select is(pg_temp.status_after_beat('dismissed'), 'error', 'The error is then the operator''s');

-- TEST: a guardian that saw its worker die
select is(pg_temp.status_after_beat('active', 'crashed'), 'crashed', 'An active worker becomes crashed');
select is(
  (tests.worker('active')).metadata ->> 'error_reason', 'The worker process is gone, as its guardian reported', 'With a reason'
);
select is(pg_temp.status_after_beat('terminating', 'crashed'), 'terminating', 'A terminating worker stays so');
select is(pg_temp.status_after_beat('error', 'crashed'), 'error', 'An operator''s error stays');
select is(pg_temp.status_after_beat('unknown', 'crashed'), 'crashed', 'An unknown worker is added with the status it sends');
select is((tests.worker('unknown')).instance_type, 'external', 'As external');

select * from finish();
rollback;
