begin;
select plan(17);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_user() as stranger \gset
create function pg_temp.segment(
  p_user_id uuid, p_params jsonb, p_state text default 'Complete', p_output text default 'https://files/s.mp4',
  p_task_type text default 'travel_segment'
)
returns uuid language plpgsql as $$
declare
  v_id uuid;
begin
  perform tests.step_clock('1 second');
  v_id := tests.create_task_in('In Progress', p_user_id, p_task_type, p_params => p_params);
  if p_state <> 'In Progress' then
    update public.tasks set status = p_state, output_location = p_output, error_message = 'none' where id = v_id;
  end if;
  return v_id;
end;
$$;
create function pg_temp.segments(
  p_run_id text, p_caller jsonb default tests.service(), p_project_id uuid default null
)
returns text language sql as $$
  select tests.answer(format(
    '(select string_agg(concat(s ->> ''segment_index'', ''='', s ->> ''output_location''), '' '' order by n)
      from json_array_elements(public.get_completed_segments(%L, %L, %L)) with ordinality as e (s, n))',
    p_caller, p_run_id, p_project_id
  ));
$$;
create function pg_temp.run(p_run text, p_index text) returns jsonb language sql as $$
  select format('{"orchestrator_run_id": %s, "segment_index": %s}', p_run, p_index)::jsonb;
$$;

-- TEST: a run without segments is an empty list
select is(
  tests.answer(format('public.get_completed_segments(%L, ''nothing'')', tests.service())), '[]', 'No segments are an empty list'
);

-- TEST: in order, one per index, only what is finished
select pg_temp.segment(:'owner', pg_temp.run('"R1"', '10'), p_output => 'ten') \g /dev/null
select pg_temp.segment(:'owner', pg_temp.run('"R1"', '2'), p_output => 'two') \g /dev/null
select pg_temp.segment(:'owner', pg_temp.run('"R1"', '0'), p_output => 'zero') \g /dev/null
select is(pg_temp.segments('R1'), '0=zero 2=two 10=ten', 'Segments come in the order of their index');
select pg_temp.segment(:'owner', pg_temp.run('"R1"', '1'), 'In Progress') \g /dev/null
select pg_temp.segment(:'owner', pg_temp.run('"R1"', '3'), 'Failed') \g /dev/null
select pg_temp.segment(:'owner', pg_temp.run('"R1"', '4'), p_output => null) \g /dev/null
select pg_temp.segment(:'owner', pg_temp.run('"R1"', '5'), p_output => '') \g /dev/null
select pg_temp.segment(:'owner', pg_temp.run('"R1"', '6'), p_task_type => 'travel_stitch') \g /dev/null
select is(pg_temp.segments('R1'), '0=zero 2=two 10=ten', 'Unfinished, failed and empty ones and other types are left out');
select pg_temp.segment(:'owner', pg_temp.run('"R1"', '2'), p_output => 'two again') \g /dev/null
select is(pg_temp.segments('R1'), '0=zero 2=two again 10=ten', 'Of one made twice, the newest counts');

-- TEST: an index that is none
select pg_temp.segment(:'owner', pg_temp.run('"R2"', i.value))
from unnest(array['null', '1.5', '-1', '"first"', '[1]', '{}', 'true', '99999999999999999999', '""']) as i (value)
\g /dev/null
select pg_temp.segment(:'owner', '{"orchestrator_run_id": "R2"}') \g /dev/null
select is(pg_temp.segments('R2'), null, 'Without a whole index a segment is left out, and harms no other');
select pg_temp.segment(:'owner', pg_temp.run('"R2"', '"7"'), p_output => 'seven') \g /dev/null
select is(pg_temp.segments('R2'), '7=seven', 'An index in digits is an index');

-- TEST: the run is compared as text
select pg_temp.segment(:'owner', pg_temp.run('20260111120000', '0'), p_output => 'number') \g /dev/null
select is(pg_temp.segments('20260111120000'), '0=number', 'A run id that was sent as a number is found by its text');
select is(pg_temp.segments('2026011112000'), null, 'A part of the text is another run');
select pg_temp.segment(:'owner', pg_temp.run(to_json(repeat('é', 4000) || 'a')::text, '0'), p_output => 'a') \g /dev/null
select pg_temp.segment(:'owner', pg_temp.run(to_json(repeat('é', 4000) || 'b')::text, '1'), p_output => 'b') \g /dev/null
select is(pg_temp.segments(repeat('é', 4000) || 'b'), '1=b', 'Run ids of any length can be stored and are distinguished');
select is(pg_temp.segments(''), null, 'An empty run id finds nothing');
select is(pg_temp.segments(null), null, 'Nor does none');

-- TEST: one's own
select pg_temp.segment(:'stranger', pg_temp.run('"R3"', '0'), p_output => 'foreign') \g /dev/null
select pg_temp.segment(:'owner', pg_temp.run('"R3"', '1'), p_output => 'own') \g /dev/null
select is(pg_temp.segments('R3'), '0=foreign 1=own', 'The service sees everyone''s');
select is(pg_temp.segments('R3', tests.with_token(:'owner')), '1=own', 'A token sees its owner''s');
select is(pg_temp.segments('R3', tests.signed_in(:'stranger')), '0=foreign', 'A user sees their own');
select is(
  pg_temp.segments('R3', tests.service(), (select p.id from public.projects as p where p.user_id = :'owner')), '1=own',
  'A project narrows it down'
);
select is(pg_temp.segments('R3', '{"kind": "token", "hash": "nobody"}'), '403 UNKNOWN_TOKEN', 'An unknown token is refused');
select tests.authenticate_as(:'owner');
select throws_ok(
  $$ select public.get_completed_segments('{"kind": "service"}', 'R3') $$, '42501', null,
  'get_completed_segments() is not for signed-in users directly'
);

select * from finish();
rollback;
