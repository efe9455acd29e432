begin;
select plan(25);

-- SETUP
delete from public.system_logs;
create function pg_temp.stored(p_message text) returns public.system_logs language sql as $$
  select l.* from public.system_logs as l where l.message = p_message;
$$;

-- TEST: a plain line
select is(
  (tests.beat('gpu-1', format(
    '[{"timestamp": "%s", "level": "WARNING", "message": "plain", "task_id": "unknown", "metadata": {"a": 1}}]',
    to_char(fairlane_core.now() at time zone 'UTC' - interval '1 minute', 'YYYY-MM-DD"T"HH24:MI:SS.US')
  ))) - 'stop',
  '{"success": true, "heartbeat_updated": true, "logs_inserted": 1, "log_errors": 0}', 'A line is stored'
);
select is(
  (select to_jsonb(l) - 'id' - 'timestamp' from public.system_logs as l),
  '{"source_type": "worker", "source_id": "gpu-1", "worker_id": "gpu-1", "log_level": "WARNING", "message": "plain", "task_id": "unknown", "cycle_number": null, "metadata": {"a": 1}}',
  'As the worker''s own, with everything it said'
);
select is((pg_temp.stored('plain'))."timestamp", fairlane_core.now() - interval '1 minute', 'A time without a zone is UTC');

-- TEST: texts that Postgres cannot hold
select is(
  tests.beat('gpu-1', '[{"message": "nul \u0000 \u0000"}, {"message": "high \ud83d!"}, {"message": "low \ude00!"}, {"message": "pair \ud83d\ude00"}, {"message": "meant \\u0000 \\ud83d"}]')
    ->> 'logs_inserted', '5', 'Lines with characters that do not exist are stored'
);
select isnt(pg_temp.stored(U&'nul \FFFD \FFFD'), null, 'NUL is replaced');
select isnt(pg_temp.stored(U&'high \FFFD!'), null, 'So is the first half of a pair');
select isnt(pg_temp.stored(U&'low \FFFD!'), null, 'And the second half');
select isnt(pg_temp.stored(U&'pair \+01F600'), null, 'A whole pair is kept');
select isnt(pg_temp.stored('meant \u0000 \ud83d'), null, 'An escape that was meant as text is kept');
select is(
  fairlane_core.readable_json('"\ud83d\ud83d\ude00\ude00\\\u0000"')::text, '"\ufffd\ud83d\ude00\ufffd\\\ufffd"', 'Halves next to a pair are distinguished from it'
);

-- TEST: times that decide nothing
select tests.beat('gpu-1', format(
  '[{"message": "nonsense", "timestamp": "yesterday"}, {"message": "endless", "timestamp": "infinity"}, {"message": "no day", "timestamp": "2026-02-31T00:00:00Z"},
    {"message": "number", "timestamp": 17}, {"message": "ahead", "timestamp": "%s"}, {"message": "old", "timestamp": "1970-01-01T00:00:00Z"}]', fairlane_core.now() + interval '1 year'
));
select is(
  (select count(*)::integer from public.system_logs where message in ('nonsense', 'endless', 'no day', 'number', 'ahead', 'old') and "timestamp" = fairlane_core.now()),
  6, 'A time that cannot be true becomes now'
);

-- TEST: odd lines
select is(
  tests.beat('gpu-1', '[{"message": "odd level", "level": "SHOUT"}, {"message": null}, {"message": {"a": 1}}, {}, 7, "text", null, ["x"]]')
    - 'stop', '{"success": true, "heartbeat_updated": true, "logs_inserted": 4, "log_errors": 4}', 'What is no line is counted; the rest is stored'
);
select is((pg_temp.stored('odd level')).log_level, 'SHOUT', 'A level that nobody knows is kept');
select is(
  (select array_agg(l.message order by l.id) from (select * from public.system_logs order by id desc limit 3) as l),
  array['', '{"a": 1}', ''], 'A message that is no text becomes one'
);
select tests.beat('gpu-1', '[{"message": "endless number", "metadata": {"n": 1e999999}}, {"message": "list", "metadata": [1]}]');
select is((pg_temp.stored('endless number')).metadata ->> 'metadata', '{"n": 1e999999}', 'A number that no column holds is kept as text');
select is((pg_temp.stored('list')).metadata, '{"metadata": [1]}', 'Metadata is always an object');
select is(tests.beat('gpu-1', '"text"') ->> 'log_errors', '1', 'Logs that are no list are counted');
select is(tests.beat('gpu-1', 'null') ->> 'log_errors', '0', 'No logs are no error');

-- TEST: long and many
update fairlane_core.settings set max_text_length = 500, max_logs_per_call = 200;
select tests.beat('gpu-1', format(
  '[{"message": "%s", "task_id": "%s", "metadata": {"trace": "%s"}}]', repeat('m', 501), repeat('t', 5000), repeat('d', 5000)
));
select is((select length(task_id) from public.system_logs order by id desc limit 1), 200, 'An id is cut to what an index holds');
select matches((select message from public.system_logs order by id desc limit 1), '^m+ … \[cut: 501 ', 'A long message is cut, with a mark');
select matches((select metadata ->> 'metadata' from public.system_logs order by id desc limit 1), ' … \[cut: 50\d\d ', 'So is a long trace');
select is(
  tests.beat('gpu-1', (select json_agg(json_build_object('message', i))::text from generate_series(1, 250) as i)) - 'stop',
  '{"success": true, "heartbeat_updated": true, "logs_inserted": 200, "log_errors": 50}', 'More lines than one heartbeat may bring are counted'
);

-- TEST: a line that the table refuses
alter table public.system_logs add constraint system_logs_of_this_test check (message <> 'poison') not valid;
select is(
  tests.beat('gpu-1', '[{"message": "1"}, {"message": "poison"}, {"message": "survivor"}, {"message": "poison"}, {"message": "5"}]') - 'stop',
  '{"success": true, "heartbeat_updated": true, "logs_inserted": 3, "log_errors": 2}', 'A line that cannot be stored costs itself only'
);
select isnt(pg_temp.stored('survivor'), null, 'Its neighbours are there');

-- TEST: in order
select is(
  (select array_agg(l.message order by l.id) from (select * from public.system_logs order by id desc limit 3) as l),
  array['1', 'survivor', '5'], 'Lines are stored in the order in which they came'
);

select * from finish();
rollback;
