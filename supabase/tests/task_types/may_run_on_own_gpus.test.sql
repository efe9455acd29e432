begin;
select plan(27);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 10) as owner \gset
select tests.with_token(:'owner') as token \gset
create function pg_temp.set_type(p_name text, p_changes text default '{}') returns text language sql as $$
  select tests.answer(format('public.set_task_type(%L, %L)', p_name, p_changes));
$$;

-- TEST: one call says so of a type, and takes it back
select is(
  pg_temp.set_type('sharpen', '{"pool": "api", "runs_on_own_gpu": true}')::jsonb #>> '{type,runs_on_own_gpu}', 'true', 'A type may'
);
select is(pg_temp.set_type('sharpen', '{"max_attempts": 2}')::jsonb #>> '{type,runs_on_own_gpu}', 'true', 'What is not named stays');
create temporary table bad (changes text);
insert into bad values
  ('{"runs_on_own_gpu": null}'), ('{"runs_on_own_gpu": "true"}'), ('{"runs_on_own_gpu": 1}'), ('{"runs_on_own_gpu": ["gpu"]}'),
  ('{"category": "orchestration"}'), ('{"own_gpu": true}');
select is(pg_temp.set_type('sharpen', b.changes), '400 INVALID_ARGUMENT', b.changes || ' is refused') from bad as b;
select throws_ok(
  $$ update public.task_types set category = 'orchestration' where name = 'sharpen' $$, '23514', null, 'Orchestration keeps to its pool, whoever says so'
);

-- TEST: tasks follow their type, also those that wait and run
select tests.create_task(:'owner', 'sharpen', p_age => '2 hours') as waiting \gset
select tests.create_task_in('In Progress', :'owner', 'sharpen') as running \gset
select tests.create_task(:'owner', p_dependant_on => :'waiting') as other \gset
select is(
  array[(tests.task(:'waiting')).runs_on_own_gpu, (tests.task(:'running')).runs_on_own_gpu, (tests.task(:'other')).runs_on_own_gpu],
  '{true,true,false}', 'A new task is what its type is'
);
select pg_temp.set_type('sharpen', '{"runs_on_own_gpu": false}');
select is((tests.task(:'waiting')).runs_on_own_gpu, false, 'It is no longer');
select is(tests.claim('mac', 'gpu', null, :'token'), null, 'And no machine gets it any more');
select pg_temp.set_type('sharpen', '{"runs_on_own_gpu": true}');
select is((tests.task(:'running')).runs_on_own_gpu, true, 'Then it is again, also while it runs');
select is(tests.claim('mac', 'gpu', null, :'token'), :'waiting', 'And a machine gets it');
select pg_temp.set_type('sharpen', '{"pool": "gpu"}');
select is((tests.task(:'waiting')).runs_on_own_gpu, true, 'While it runs it stays what it was handed out as, also when its type goes to the pool gpu');
select is(tests.claim('mac', 'gpu', null, :'token'), :'waiting', 'And its machine gets it back');
select pg_temp.set_type('sharpen', '{"pool": "api"}');
select is((tests.task(:'waiting')).runs_on_own_gpu, true, 'And back');
update public.tasks set status = 'Queued', error_message = 'Reset - of a test' where id = :'waiting';
select is((tests.task(:'waiting')).runs_on_own_gpu, true, 'Put back it is marked as its type is');
select pg_temp.set_type('sharpen', '{"pool": "gpu"}');
select is((tests.task(:'waiting')).runs_on_own_gpu, false, 'In the pool gpu it is one of all');
update public.tasks set task_type = 'animate' where id = :'waiting';
select is((tests.task(:'waiting')).runs_on_own_gpu, false, 'A task of another type is what that type is');
delete from public.tasks where id = :'other';
update public.tasks set status = 'Complete' where user_id = :'owner';
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

-- TEST: very many follow piece by piece, and claims and counts promise none too much meanwhile
select pg_temp.set_type('sharpen', '{"pool": "api", "runs_on_own_gpu": false}');
select tests.create_task(:'owner', 'sharpen') from generate_series(1, 150);
select is(
  pg_temp.set_type('sharpen', '{"runs_on_own_gpu": true}')::jsonb ->> 'is_settled', 'false', 'Of a type with many tasks these follow later'
);
select is((select count(*) from public.tasks as t where t.runs_on_own_gpu and t.readiness = 'ready'), 0::bigint, 'None has followed');
select isnt(tests.claim('mac-2', 'gpu', null, :'token'), null, 'A claim that finds nothing does a piece of it, and gets one');
select fairlane_core.settle_deferred(1000, false);
select is((select count(*) from public.tasks as t where t.runs_on_own_gpu and t.readiness = 'ready'), 149::bigint, 'In the end all have');
select pg_temp.set_type('sharpen', '{"is_active": false, "runs_on_own_gpu": false}');
select is(tests.claimable('gpu', :'token'), 0, 'Switched off, none is counted as claimable, before any has followed');
select is(tests.claim('mac-3', 'gpu', null, :'token'), null, 'And none is handed out');

select * from finish();
rollback;
