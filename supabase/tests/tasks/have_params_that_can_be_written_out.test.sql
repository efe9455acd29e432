begin;
select plan(43);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_project(:'owner') as project \gset
select tests.create_task(:'owner') as task \gset
create function pg_temp.write(p_statement text) returns text language plpgsql as $$
declare
  v_detail text;
begin
  execute p_statement;
  return 'taken';
exception when others then
  get stacked diagnostics v_detail = pg_exception_detail;
  return format('%s %s', substr(sqlstate, 3), v_detail);
end;
$$;
-- The body of params in pieces: before, what is repeated, how often, after.
create temporary table sent (what text, before text, piece text, times integer, after text, taken boolean);
insert into sent values
  ('nothing out of the ordinary', '{"seed": ', '9', 18, ', "prompt": "a bus"}', true),
  ('a number of 400 digits', '{"n": ', '9', 400, '}', true),
  ('a number of 401 digits', '{"n": ', '9', 401, '}', false),
  ('a number of 401 characters', '{"n": -', '9', 400, '}', false),
  ('an exponent of three digits', '{"n": 1e', '400', 1, '}', false),
  ('a zero of many places', '{"n": 0e-', '1000', 1, '}', false),
  ('digits in a string', '{"n": "', '9', 5000, '"}', true),
  ('100 levels', '{"a":', '[', 99, repeat(']', 99) || '}', true),
  ('101 levels', '{"a":', '[', 100, repeat(']', 100) || '}', false),
  ('6,000 levels', '{"a":', '[', 5999, repeat(']', 5999) || '}', false),
  ('brackets in a string', '{"a": "', '[', 5000, '"}', true),
  ('199,998 values in a list', '{"a":[0', ',0', 199997, ']}', true),
  ('more than 200,000 values', '{"a":[0', ',0', 200000, ']}', false),
  ('more than 200,000 empty lists', '{"a":[0', ',[]', 100001, ']}', false),
  ('commas in a string', '{"a":"', ',', 300000, '"}', true),
  ('1 MiB', '{"a": "', 'x', 1048567, '"}', true),
  ('a character more', '{"a": "', 'x', 1048568, '"}', false),
  ('escapes of six characters each', '{"a": "', '\u0001', 200000, '"}', false),
  ('keys that repeat', '{"a": 1', ', "a": 1', 200, '}', true),
  ('300 numbers that are long when they are written', '{"a": [1e131071', ', 1e131071', 299, ']}', false),
  ('5,000 of them', '{"a": [1e131071', ',1e131071', 4999, ']}', false),
  ('90,000 of them', '{"a": [1e131071', ',1e131071', 89999, ']}', false),
  ('90,000 of 399 digits', '{"a": [1e398', ',1e398', 89999, ']}', false);

-- TEST: a user's plain insert
grant select on sent to authenticated;
select tests.authenticate_as(:'owner');
select is(
  pg_temp.write(format(
    'insert into public.tasks (project_id, task_type, params) values (%L, ''test'', %L)', :'project', s.before || repeat(s.piece, s.times) || s.after
  )),
  case when s.taken then 'taken' else '413 PARAMS_TOO_LARGE' end,
  'A plain insert with ' || s.what
)
from sent as s;
select tests.clear_authentication();

-- TEST: create_task and a change, with what is refused
select is(
  tests.answer(format(
    'public.create_task(%L, jsonb_build_object(''task_type'', ''test'', ''project'', %L::text, ''params'', %L::jsonb))',
    tests.service(), :'project', s.before || repeat(s.piece, s.times) || s.after
  )),
  '413 PARAMS_TOO_LARGE', 'create_task with ' || s.what
)
from sent as s
where not s.taken and s.times < 1000;
select is(
  pg_temp.write(format('update public.tasks set params = %L where id = %L', s.before || repeat(s.piece, s.times) || s.after, :'task')),
  '413 PARAMS_TOO_LARGE', 'A change to ' || s.what
)
from sent as s
where s.what like '300 numbers%';
select is(
  pg_temp.write(format(
    'insert into public.tasks (project_id, task_type, params) values (%L, ''test'', to_jsonb(%L::text))', :'project',
    s.before || repeat(s.piece, s.times) || s.after
  )),
  '413 PARAMS_TOO_LARGE', 'As a text of JSON, too: ' || s.what
)
from sent as s
where s.what like '300 numbers%';

-- TEST: what is kept beside users, workers and results
select '{"a": [1e131071' || repeat(', 1e131071', 299) || ']}' as bomb \gset
select is(
  pg_temp.write(format('insert into public.workers (id, metadata) values (''gpu-1'', %L)', :'bomb')), '413 PARAMS_TOO_LARGE',
  'Metadata of a worker have the same bounds'
);
select is(
  pg_temp.write(format('update public.users set settings = %L where id = %L', :'bomb', :'owner')), '413 PARAMS_TOO_LARGE',
  'So have the settings of a user'
);
update public.tasks set result_data = :'bomb' where id = :'task';
select ok(
  pg_column_size((tests.task(:'task')).result_data) < 200 and (tests.task(:'task')).result_data ? 'not_kept',
  'A result is not refused: what cannot be kept is named'
);
update public.tasks set result_data = jsonb_build_object('a', repeat('x', 2000000)) where id = :'task';
select ok(
  (tests.task(:'task')).result_data ->> 'result_data' like '{"a": "xxx%[cut: 2000009 characters in all]%xxx"}'
    and length((tests.task(:'task')).result_data ->> 'result_data') between 81920 and 82020,
  'Of a long one both ends are kept'
);
select is(
  length(fairlane_core.log_metadata(('{"a": [1e131071' || repeat(', 1e131071', 299) || ']}')::json)::text) < 5000, true,
  'Metadata of a log line stay as short as they were sent'
);

-- TEST: nothing is written to be measured: what is out of all bounds is told from its places
select is(fairlane_core.number_length(n.number), length(n.number::text), format('%s is as long as that', left(n.what, 20)))
from (
  values
    ('0', 0::numeric), ('-17', -17), ('0.050', 0.050), ('1e399', 1e399), ('-1e398', -1e398), ('1e-397', 1e-397)
) as n (what, number);
select ok(
  bool_and(fairlane_core.number_length(n.number) between length(n.number::text) / 5 and length(n.number::text)),
  'Of longer ones it says at least a fifth, and never more than they are'
)
from (
  select (sign || mantissa || 'e' || power)::numeric as number
  from
    unnest(array[400, 1599, 1600, 6400, 25600, 102399, 102400, 131000, -398, -16000]) as power,
    unnest(array['', '-']) as sign,
    unnest(array['1', '99']) as mantissa
) as n;

select * from finish();
rollback;
