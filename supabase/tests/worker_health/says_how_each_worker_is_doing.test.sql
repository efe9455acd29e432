begin;
select plan(22);

-- SETUP: a fleet, an hour old
select tests.empty_queue();
delete from public.system_logs;
select tests.create_user(p_max_in_progress => 50) as owner \gset
insert into public.workers (id, instance_type, status, created_at, last_heartbeat)
select w.id, 'gpu', w.status, fairlane_core.now() - w.age, fairlane_core.now() - w.silence
from (values
  ('healthy', 'active', interval '1 hour', interval '10 s'),
  ('newcomer', 'active', interval '30 s', interval '10 s'),
  ('spawning', 'spawning', interval '5 minutes', null),
  ('mute', 'spawning', interval '11 minutes', null),
  ('mute-with-work', 'active', interval '5 minutes', null),
  ('stale', 'active', interval '1 hour', interval '101 s'),
  ('silent', 'active', interval '1 hour', interval '10 s'),
  ('idle', 'active', interval '1 hour', interval '10 s'),
  ('stuck', 'active', interval '1 hour', interval '10 s'),
  ('conductor', 'active', interval '1 hour', interval '10 s'),
  ('leaving', 'terminating', interval '1 hour', interval '10 s'),
  ('gone', 'terminated', interval '1 hour', interval '10 s')
) as w (id, status, age, silence);
insert into public.system_logs ("timestamp", source_type, log_level, message, worker_id)
select fairlane_core.now() - interval '1 minute', 'worker', 'INFO', 'polling', w
from unnest(array['healthy', 'newcomer', 'idle', 'stuck', 'conductor']) as w;
insert into public.system_logs ("timestamp", source_type, log_level, message, worker_id)
values (fairlane_core.now(), 'orchestrator_gpu', 'INFO', 'is it alive?', 'silent');
select tests.create_task_in('Complete', :'owner', 'clip', w) from unnest(array['healthy', 'silent']) as w;
select tests.create_task_in('In Progress', :'owner', 'clip', 'stuck') as stuck \gset
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator', 'conductor') as conducted \gset
select tests.create_task_in('In Progress', :'owner', 'clip', 'mute-with-work') as unheard \gset
update public.tasks set claimed_at = fairlane_core.now() - interval '21 minutes', generation_started_at = fairlane_core.now() - interval '21 minutes'
where id in (:'stuck', :'conducted');
update public.tasks set claimed_at = fairlane_core.now() - interval '101 s', generation_started_at = fairlane_core.now() - interval '101 s' where id = :'unheard';
create function pg_temp.health(p_worker_id text) returns text language sql as $$
  select s.health from fairlane_core.worker_states(interval '30 minutes') as s where s.worker_id = p_worker_id;
$$;

-- TEST: with nothing to do
select is(pg_temp.health('healthy'), 'healthy', 'A worker that sends heartbeats, logs and has worked is healthy');
select is(pg_temp.health('newcomer'), 'healthy', 'Of a worker that has just come nothing is expected yet');
select is(pg_temp.health('spawning'), 'starting', 'A worker without a heartbeat has ten minutes to start');
select is(pg_temp.health('mute'), 'never_beat', 'After that it is never_beat');
select is(pg_temp.health('mute-with-work'), 'never_beat', 'One that claimed has as long as any other');
select is(pg_temp.health('stale'), 'stale', 'A worker whose heartbeats have ended is stale');
select is(pg_temp.health('silent'), 'silent', 'A worker that sends heartbeats and has no log line is silent');
select is(pg_temp.health('idle'), 'healthy', 'A worker that found nothing to claim is healthy');
select is(pg_temp.health('stuck'), 'stuck_task', 'A worker of whose task nobody has heard is stuck');
select is(pg_temp.health('conductor'), 'healthy', 'Orchestration may be quiet');
select is(pg_temp.health('leaving'), 'terminating', 'A worker on its way out is terminating');
select is(pg_temp.health('gone'), null, 'A worker that left without failing is not listed');

-- TEST: with work waiting
select tests.create_task(:'owner') as waiting \gset
select is(pg_temp.health('idle'), 'never_claimed', 'A worker that never claimed although there is work');
select is(pg_temp.health('healthy'), 'healthy', 'One that claimed before is only slow');
select tests.create_task_in('In Progress', :'owner', 'clip', 'idle') as handed_back \gset
select public.update_task_status(tests.service(), :'handed_back', 'Queued');
select is(pg_temp.health('idle'), 'healthy', 'So is one that gave back all it had');
insert into public.workers (id, instance_type, status, created_at, last_heartbeat)
values ('api-worker-main', 'api', 'active', fairlane_core.now() - interval '1 hour', fairlane_core.now() - interval '1 hour');
select is(pg_temp.health('api-worker-main'), 'healthy', 'No heartbeats are expected of an api worker');

-- TEST: a word about the task
select tests.beat('stuck', format('[{"message": "step 8", "task_id": "%s"}]', :'stuck'));
select is(pg_temp.health('stuck'), 'healthy', 'A log line that names the task unflags it');
select tests.beat('mute-with-work', '[{"message": "here"}]');
select is(pg_temp.health('mute-with-work'), 'healthy', 'So does the first heartbeat of a mute worker');

-- TEST: workers that claim and get nothing
select ok(
  tests.answer(format('public.note_refused_claim(%L, ''leaving'')', tests.service()))::boolean, 'A refused claim is noted'
);
select ok(
  not tests.answer(format('public.note_refused_claim(%L, ''leaving'')', tests.service()))::boolean, 'Once a minute'
);
select is(pg_temp.health('leaving'), 'claims_refused', 'A worker that goes on claiming is distinguished');
select ok(
  not tests.answer(format('public.note_refused_claim(%L, ''healthy'')', tests.service()))::boolean, 'A worker that may claim has no refusals'
);

select * from finish();
rollback;
