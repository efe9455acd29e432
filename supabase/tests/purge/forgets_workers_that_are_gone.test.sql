begin;
select plan(9);

-- SETUP: workers that ended 31 days ago; one of them still beats, one still claims, one has children under way
select tests.empty_queue();
delete from public.workers;
delete from fairlane_core.claim_refusals;
select tests.create_user() as owner \gset
insert into public.workers (id, status, created_at, last_heartbeat)
select w, 'active', fairlane_core.now(), fairlane_core.now()
from unnest(array['ended', 'beating', 'knocking', 'conductor', 'live', 'silent']) as w;
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator', 'conductor') as waiting \gset
select tests.create_task(:'owner', p_params => jsonb_build_object(fairlane_core.parent_key(), :'waiting'));
select fairlane_core.note_enqueued(:'waiting');
update public.workers set status = 'terminated' where id not in ('live', 'silent');
select public.note_refused_claim(tests.service(), w) from unnest(array['ended', 'knocking']) as w;
select tests.step_clock('29 days');
create function pg_temp.purge(p_dry_run boolean default false) returns text language sql as $$
  select fairlane_core.purge(5000, p_dry_run) ->> 'workers';
$$;

-- TEST
select is(pg_temp.purge(), '0', 'For 30 days they are remembered');
select tests.step_clock('2 days');
select tests.beat('beating');
select tests.beat('live');
select public.note_refused_claim(tests.service(), 'knocking');
select is(pg_temp.purge(true), '1', 'A dry run counts those that are gone');
select isnt((tests.worker('ended')).id, null, 'And deletes none');
select is(pg_temp.purge(), '1', 'The purge does');
select set_eq(
  'select id from public.workers', array['beating', 'knocking', 'conductor', 'live', 'silent'],
  'A worker that still sends heartbeats or claims, waits for children or has not ended stays'
);
select is((select t.status from public.tasks as t where t.id = :'waiting'), 'In Progress', 'No orchestrator loses its slot');
select set_eq('select worker_id from fairlane_core.claim_refusals', array['knocking'], 'Refusals go with them');
update fairlane_core.settings set worker_retention = null;
select tests.step_clock('400 days');
select is(pg_temp.purge(), '0', 'Without the setting they stay for ever');
select throws_ok($$ update fairlane_core.settings set worker_retention = '0' $$, '23514', null, 'It cannot be nothing');

select * from finish();
rollback;
