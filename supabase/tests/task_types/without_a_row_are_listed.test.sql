begin;
select plan(22);

-- SETUP
select tests.empty_queue();
-- Keeps the scheduled sweep out until the end of the test.
lock table fairlane_core.minute_samples in share row exclusive mode;
delete from fairlane_core.minute_samples;
delete from fairlane_core.unknown_types;
select tests.create_user(p_max_in_progress => 10) as owner \gset
create function pg_temp.list() returns jsonb language sql as $$
  select tests.answer('public.unknown_task_types()')::jsonb -> 'types';
$$;
create function pg_temp.warnings() returns text language sql as $$
  select coalesce(string_agg(w ->> 'code', ', '), '') from jsonb_array_elements(tests.answer('public.health(tests.service())')::jsonb -> 'notices') as w
  where w ->> 'code' = 'UNKNOWN_TASK_TYPE';
$$;
create function pg_temp.sweep() returns void language plpgsql as $$
begin
  perform tests.step_clock('1 minute');
  perform fairlane_core.sweep();
end;
$$;

-- TEST: nothing to tell
select tests.create_task(:'owner', 'clip');
select pg_temp.sweep(), pg_temp.sweep();
select is(pg_temp.list(), '[]', 'Types with a row are not listed');
select is(pg_temp.warnings(), '', 'health has nothing to warn of');

-- TEST: seen
select tests.create_task(:'owner', 'sharpen') from generate_series(1, 3);
select tests.create_task(:'owner', 'opera');
select fairlane_core.now() as enqueued_at \gset
select is((select count(*)::integer from fairlane_core.unknown_types), 0, 'Enqueuing writes nothing of it');
select pg_temp.sweep(), pg_temp.sweep();
select is(
  (select jsonb_object_agg(l ->> 'name', jsonb_build_array(l -> 'task_count', l #> '{taken_for,pool}', l #> '{taken_for,category}', l #> '{taken_for,creates_generation}')) from jsonb_array_elements(pg_temp.list()) as l),
  '{"sharpen": [3, "gpu", "processing", false], "opera": [1, "gpu", "processing", false]}',
  'They are listed with how many there were and what they were taken for'
);
select is((pg_temp.list() #>> '{0,last_seen_at}')::timestamptz, :'enqueued_at', 'And when the last one was enqueued');
select matches(pg_temp.list() #>> '{0,hint}', 'public.set_task_type\(''opera''\)', 'And how to say what they are');
select is(pg_temp.warnings(), 'UNKNOWN_TASK_TYPE', 'health warns of them in one line');
select matches(
  jsonb_path_query_first(tests.answer('public.health(tests.service())')::jsonb, '$.notices[*] ? (@.code == "UNKNOWN_TASK_TYPE").message') #>> '{}', '2 types.*sharpen \(3, last at .*public.set_task_type\(',
  'With names and the hint'
);

-- TEST: counted on, each task once; one write per type and sweep
select pg_temp.sweep(), pg_temp.sweep();
select tests.create_task(:'owner', 'sharpen') from generate_series(1, 2);
select pg_temp.sweep(), pg_temp.sweep(), pg_temp.sweep();
select is((select u.task_count::integer from fairlane_core.unknown_types as u where u.name = 'sharpen'), 5, 'What comes later is added, once');
select fairlane_core.note_unknown_types(fairlane_core.now() + interval '1 minute');
select is((select u.task_count::integer from fairlane_core.unknown_types as u where u.name = 'sharpen'), 5, 'A second look adds nothing');

-- TEST: said what it is
select tests.answer('public.set_task_type(''sharpen'', ''{"pool": "api"}'')');
select is(pg_temp.list() #>> '{0,name}', 'opera', 'A type that has a row is gone at once');
select is(jsonb_array_length(pg_temp.list()), 1, 'The other stays');
select pg_temp.sweep();
select is((select count(*)::integer from fairlane_core.unknown_types), 1, 'And is forgotten by the next sweep');

-- TEST: for a week
select tests.step_clock('6 days 23 hours');
select is(pg_temp.warnings(), 'UNKNOWN_TASK_TYPE', 'A type is listed for a week');
select tests.step_clock('1 hour');
select is(pg_temp.list(), '[]', 'And not longer');
select is(pg_temp.warnings(), '', 'Nor warned of');

-- TEST: while no sweep ran
select pg_temp.sweep();
select tests.create_task(:'owner', 'enqueued_in_a_gap') from generate_series(1, 2);
select tests.step_clock('30 minutes');
select pg_temp.sweep(), pg_temp.sweep();
select results_eq(
  $$ select u.name, u.task_count from fairlane_core.unknown_types as u where u.name like '%gap' $$, $$ values ('enqueued_in_a_gap', 2::bigint) $$,
  'After half an hour without a sweep they are listed all the same, once'
);
select tests.create_task(:'owner', 'enqueued_in_a_long_gap');
select tests.step_clock('3 days');
select pg_temp.sweep(), pg_temp.sweep();
select ok(exists (select from fairlane_core.unknown_types as u where u.name = 'enqueued_in_a_long_gap'), 'And after days, when all samples are old');
select tests.create_task(:'owner', 'enqueued_before_a_storm') as id \gset
insert into public.task_events (task_id, user_id, at, from_status, to_status, attempt, actor)
select :'id', :'owner', fairlane_core.now(), 'Queued', 'Queued', 0, 'test' from generate_series(1, 100000);
select pg_temp.sweep(), pg_temp.sweep();
select ok(not exists (select from fairlane_core.unknown_types as u where u.name = 'enqueued_before_a_storm'), 'Of a gap no more than the newest hundred thousand rows are read');

-- TEST: names that users make up
delete from fairlane_core.minute_samples;
delete from fairlane_core.unknown_types;
update public.users set max_in_progress = 5000 where id = :'owner';
select tests.create_task(:'owner', 'made_up_' || n) from generate_series(1, 1010) as n;
select tests.create_task(:'owner', 'made_up_7');
select tests.step_clock('1 minute');
select fairlane_core.note_unknown_types(fairlane_core.now());
select is((select count(*)::integer from fairlane_core.unknown_types), 1000, 'No more than a thousand are kept');
select ok(exists (select from fairlane_core.unknown_types where name = 'made_up_7'), 'The most frequent among them');
select is(tests.answer(format('public.unknown_task_types(%L)', tests.signed_in(:'owner'))), '403 FORBIDDEN', 'The list is for the service');

select * from finish();
rollback;
