begin;
select plan(21);

-- SETUP: an hour of a fleet whose orchestrators give every end a reason
select tests.empty_queue();
delete from public.workers;
select tests.create_user(p_max_in_progress => 50) as owner \gset
insert into public.workers (id, instance_type, status, created_at, last_heartbeat)
select w.id, w.type, 'active', fairlane_core.now() - w.age, fairlane_core.now() - w.silence
from (values
  ('idle-1', 'gpu', interval '1 hour', interval '5 s'), ('idle-2', 'gpu', interval '1 hour', interval '5 s'),
  ('idle-3', 'gpu', interval '1 hour', interval '5 s'), ('surplus', 'gpu', interval '1 hour', interval '5 s'),
  ('sent-away', 'gpu', interval '1 hour', interval '5 s'), ('starting', 'gpu', interval '5 minutes', null),
  ('conductor', 'gpu', interval '1 hour', interval '5 s'), ('unsuited', 'gpu', interval '1 hour', interval '5 s'),
  ('api-worker-main', 'api', interval '5 hours', interval '5 hours'),
  ('silent', 'gpu', interval '1 hour', interval '101 s'), ('silent-going', 'gpu', interval '1 hour', interval '101 s'),
  ('mute', 'gpu', interval '11 minutes', null), ('never-spawned', 'gpu', interval '1 minute', null),
  ('busy', 'gpu', interval '1 hour', interval '5 s'), ('fatal', 'gpu', interval '1 hour', interval '5 s'),
  ('crashing', 'gpu', interval '1 hour', interval '5 s')
) as w (id, type, age, silence);
select tests.create_task(:'owner') from generate_series(1, 4);
select tests.create_task_in('In Progress', :'owner', 'clip', 'busy');
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator', 'conductor') as waiting \gset
select tests.create_task(:'owner', 'clip', p_params => jsonb_build_object(fairlane_core.parent_key(), :'waiting'));
select fairlane_core.note_enqueued(:'waiting');
create function pg_temp.patch(p_id text, p_status text, p_more jsonb default '{}') returns void language plpgsql as $$
begin
  set local role service_role;
  update public.workers set status = p_status, metadata = metadata || p_more where id = p_id;
  reset role;
end;
$$;
create function pg_temp.failures() returns text language sql as $$
  select string_agg(w.id, ' ' order by w.id) from public.workers as w where w.failed_at is not null;
$$;
create function pg_temp.health() returns jsonb language plpgsql as $$
declare
  v_reply jsonb;
begin
  set local role service_role;
  v_reply := public.worker_health(tests.service(), 30);
  reset role;
  return v_reply;
end;
$$;

-- TEST: scaling down
select pg_temp.patch('idle-' || i, 'terminated', '{"error_reason": "Idle timeout (320s) with no work available"}') from generate_series(1, 3) as i;
select pg_temp.patch('surplus', 'terminated', '{"termination_reason": "over capacity"}');
select pg_temp.patch('unsuited', 'error', '{"error_reason": "Idle timeout (320s) with no work available", "orchestrator_status": "error"}');
select pg_temp.patch('sent-away', 'terminating');
update public.workers set last_heartbeat = fairlane_core.now() - interval '5 minutes' where id = 'sent-away';
select pg_temp.patch('sent-away', 'terminated');
select pg_temp.patch('starting', 'terminated', '{"error_reason": "over capacity"}');
select pg_temp.patch('conductor', 'terminated', '{"error_reason": "Idle timeout (320s) with no work available"}');
select pg_temp.patch('api-worker-main', 'terminated', '{"termination_reason": "deploy"}');
select is(pg_temp.failures(), null, 'Machines without work in their hands are sent home: none has failed, whatever reason is given');
select is(pg_temp.health() #>> '{failures,failure_rate}', '0.000', 'The rate is 0');
select is(pg_temp.health() #>> '{spawning,code}', 'MORE_WORK_THAN_WORKERS', 'With work to do renting makes sense');
select is((tests.worker('surplus')).metadata ->> 'error_reason', 'over capacity', 'A termination_reason is the reason');

-- TEST: decided once
select pg_temp.patch(w, 'terminated', '{"noted": true}') from unnest(array['idle-1', 'surplus', 'starting', 'sent-away']) as w;
select tests.beat('surplus');
select tests.beat('idle-1', '[]', '{"vram_used_mb_param": 1}');
select is(pg_temp.failures(), null, 'Neither a late heartbeat nor another PATCH makes it a failure, nor our own reasons');
select is((tests.worker('surplus')).status, 'terminated', 'Nor does a late heartbeat bring it back');
select isnt((tests.worker('surplus')).ended_at, null, 'It is known since when it is gone');

-- TEST: failures
select pg_temp.patch('silent', 'terminated', '{"error_reason": "Stale heartbeat"}');
select is(pg_temp.failures(), 'silent', 'A silent one has failed');
select pg_temp.patch('silent-going', 'terminating');
select is(pg_temp.failures(), 'silent silent-going', 'Also when it is sent away first');
select pg_temp.patch('silent-going', 'terminated');
select is(pg_temp.failures(), 'silent silent-going', 'And ends then');
select pg_temp.patch('mute', 'terminated', '{"error_reason": "Idle timeout (660s)"}');
select pg_temp.patch('never-spawned', 'error', '{"error_reason": "Failed to spawn instance"}');
select is(pg_temp.failures(), 'mute never-spawned silent silent-going', 'So has one that never sent a heartbeat, and one that could not be started');
update public.tasks as t set claimed_at = t.claimed_at - interval '2 minutes' where t.worker_id = 'busy';
select pg_temp.patch('busy', 'terminated');
select pg_temp.patch('fatal', 'error', '{"self_terminated": true, "error_reason": "CUDA driver"}');
select tests.beat('crashing', '[]', '{"status_param": "crashed"}');
select is(
  pg_temp.failures(), 'busy crashing fatal mute never-spawned silent silent-going',
  'One that takes work down with it, one that gives itself up, and one that crashed'
);
update public.workers as w set ended_at = w.ended_at - interval '2 minutes' where w.id = 'crashing';
select pg_temp.patch('crashing', 'terminated', '{"error_reason": "cleaned up"}');
select matches(pg_temp.failures(), 'crashing', 'Cleaning up after a failure does not undo it');
select is(pg_temp.health() #> '{failures,workers_failed}', '7', 'They are counted');
insert into public.workers (id, status) values ('came-in-error', 'error');
select matches(pg_temp.failures(), 'came-in-error', 'A worker whose row comes in error is one');
insert into public.workers (id, status, last_heartbeat) values ('came-ended', 'terminated', fairlane_core.now());
select doesnt_match(pg_temp.failures(), 'came-ended', 'One whose row comes terminated is none');
select tests.beat('crashing');
select is((select w.failed_at from public.workers as w where w.id = 'sent-away'), null, 'Who was sent away in time has not fallen silent');

-- TEST: the word that orchestrators keep for the status
select pg_temp.patch('idle-1', 'active', '{"orchestrator_status": "spawning"}');
select ok(fairlane_core.mark_reaped('idle-1', 'No heartbeat for 100 s'), 'The reaper sets a worker aside');
select is((tests.worker('idle-1')).metadata ->> 'orchestrator_status', 'error', 'Its end is mirrored there');
select tests.beat('idle-1');
select is((tests.worker('idle-1')).metadata ->> 'orchestrator_status', 'active', 'So is its return');
select tests.beat('idle-1', '[]', '{"status_param": "crashed"}');
select is((tests.worker('idle-1')).metadata ->> 'orchestrator_status', 'error', 'A crash is an error to them');

select * from finish();
rollback;
