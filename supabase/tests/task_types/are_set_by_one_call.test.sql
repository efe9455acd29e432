begin;
select plan(34);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 10) as owner \gset
create function pg_temp.set_type(p_name text, p_changes text default '{}') returns text language sql as $$
  select tests.answer(format('public.set_task_type(%L, %L)', p_name, p_changes));
$$;

-- TEST: a new type is what it was taken for, and what is said of it
select is(
  pg_temp.set_type('sharpen')::jsonb,
  '{"name": "sharpen", "change": "added", "before": null, "is_settled": true, "type": {"pool": "gpu", "category": "processing", "content_type": null, "creates_generation": false, "is_active": true, "is_retryable": true, "max_attempts": null, "timeout_seconds": null, "runs_on_own_gpu": false}}',
  'A type of which nothing is said is what it was taken for'
);
select is(pg_temp.set_type('sharpen')::jsonb ->> 'change', 'none', 'To say it again changes nothing');
select is(
  pg_temp.set_type('sharpen', '{"pool": "api", "category": "generation", "content_type": "image", "creates_generation": true, "max_attempts": 5, "timeout_seconds": 90.5, "is_retryable": false}')::jsonb - 'before',
  '{"name": "sharpen", "change": "changed", "is_settled": true, "type": {"pool": "api", "category": "generation", "content_type": "image", "creates_generation": true, "is_active": true, "is_retryable": false, "max_attempts": 5, "timeout_seconds": 90.5, "runs_on_own_gpu": false}}',
  'Every field can be changed'
);
select is(
  (pg_temp.set_type('sharpen', '{"max_attempts": null, "timeout_seconds": null, "content_type": null}')::jsonb -> 'type') - array['category', 'is_active', 'is_retryable'],
  '{"pool": "api", "content_type": null, "creates_generation": true, "max_attempts": null, "timeout_seconds": null, "runs_on_own_gpu": false}',
  'null takes away what may be absent, and what is not named stays'
);
select is(
  pg_temp.set_type('sharpen', '{"pool": "gpu"}')::jsonb #>> '{before,pool}', 'api', 'The answer has what it was before'
);

-- TEST: what is refused, and changes nothing
create temporary table bad (changes text);
insert into bad values
  ('[]'), ('"gpu"'), ('null'), ('{"pool": "cpu"}'), ('{"pool": null}'), ('{"pool": 1}'), ('{"category": "fun"}'), ('{"content_type": "song"}'),
  ('{"creates_generation": "yes"}'), ('{"is_active": null}'), ('{"max_attempts": 0}'), ('{"max_attempts": 1001}'),
  ('{"max_attempts": 1.5}'), ('{"max_attempts": "3"}'), ('{"timeout_seconds": 0}'), ('{"timeout_seconds": 2592001}'),
  ('{"timeout_seconds": 1e300}'), ('{"run_type": "gpu"}'), ('{"category": "orchestration", "creates_generation": true}'),
  ('{"category": "orchestration"}');
select is(pg_temp.set_type('sharpen', b.changes), '400 INVALID_ARGUMENT', b.changes || ' is refused') from bad as b;
select is(pg_temp.set_type(''), '400 INVALID_ARGUMENT', 'So is no name');
select is(pg_temp.set_type(repeat('x', 201)), '400 INVALID_ARGUMENT', 'And one that is too long');
select is(
  tests.answer(format('public.set_task_type(''sharpen'', ''{}'', %L)', tests.signed_in(:'owner'))), '403 FORBIDDEN', 'A user sets no types'
);
select is((select fairlane_core.type_as_json(y) ->> 'pool' from public.task_types as y where y.name = 'sharpen'), 'gpu', 'It is as it was');

-- TEST: what waits follows, what runs when it goes back; that it is orchestration holds at once
select tests.create_task(:'owner', 'dub') as waiting \gset
select tests.create_task_in('In Progress', :'owner', 'dub') as running \gset
select pg_temp.set_type('dub', '{"pool": "api", "category": "orchestration"}');
select is(
  array[(tests.task(:'waiting')).pool, (tests.task(:'running')).pool, (tests.task(:'waiting')).takes_slot::text, (tests.task(:'running')).takes_slot::text],
  '{api,gpu,false,false}', 'What waits is of the new pool and kind, what runs of the new kind'
);
select pg_temp.set_type('dub', '{"category": "processing"}');
select is(
  array[(tests.task(:'waiting')).takes_slot, (tests.task(:'running')).takes_slot], '{true,false}', 'What was orchestration while it ran stays it'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');
update public.tasks set status = 'Queued', worker_id = null, error_message = 'Reset - of a test' where id = :'running';
select is(
  array[(tests.task(:'running')).pool, (tests.task(:'running')).takes_slot::text], '{api,true}', 'What goes back is what its type is now'
);
select is_empty('select * from tests.drift()', 'And the counters are what a recount says');

select * from finish();
rollback;
