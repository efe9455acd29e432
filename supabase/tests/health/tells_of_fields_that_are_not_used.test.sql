begin;
select plan(10);

-- SETUP
select tests.empty_queue();
delete from fairlane_core.unused_fields;
create function pg_temp.note(p_endpoint text, p_counts jsonb) returns void language plpgsql as $$
begin
  set local role service_role;
  perform public.note_unused_fields(tests.service(), p_endpoint, p_counts);
  reset role;
end;
$$;
create function pg_temp.notices() returns jsonb language plpgsql as $$
declare
  v_reply jsonb;
begin
  set local role service_role;
  v_reply := public.health(tests.service());
  reset role;
  return v_reply -> 'notices';
end;
$$;

-- TEST: none
select is(pg_temp.notices(), '[]', 'Nothing is reported when all is used');

-- TEST: several fields of one endpoint are one notice
select pg_temp.note('task-counts', '{"worker_pool": 3, "selector_version": 2}');
select pg_temp.note('generate-upload-url', '{"artifact_class": 1}');
select is(jsonb_array_length(pg_temp.notices()), 2, 'Each endpoint has one notice');
select matches(
  pg_temp.notices() #>> '{0,message}', '^generate-upload-url gets artifact_class, which is not used \(1 times since ',
  'It says the field, and that it is not used'
);
select pg_temp.note('task-counts', '{"worker_pool": 4}');
select matches(
  pg_temp.notices() #>> '{1,message}', '^task-counts gets selector_version, worker_pool, which are not used \(7 times since ',
  'What several instances have counted is added up'
);

-- TEST: a week later
select tests.step_clock('7 days 1 second');
select is(pg_temp.notices(), '[]', 'What has not come for a week is no longer reported');
select pg_temp.note('task-counts', '{"worker_pool": 1}');
select results_eq(
  $$ select calls from fairlane_core.unused_fields where field = 'worker_pool' $$, array[8::bigint], 'And is reported again when it comes again'
);
select tests.step_clock('25 days');
select pg_temp.note('health', '{"verbose": 1}');
select results_eq(
  $$ select endpoint, field from fairlane_core.unused_fields order by 1 $$, $$ values ('health', 'verbose'), ('task-counts', 'worker_pool') $$,
  'What has not come for thirty days is forgotten'
);

-- TEST: bounds
select pg_temp.note('create-task', (select jsonb_object_agg('field_' || n, 1) from generate_series(1, 60) as n));
select is((select count(*) from fairlane_core.unused_fields where endpoint = 'create-task'), 50::bigint, 'One call writes fifty');
insert into fairlane_core.unused_fields (endpoint, field, calls, first_at, last_at)
select 'explain', 'field_' || n, 1, fairlane_core.now(), fairlane_core.now()
from generate_series(1, 448) as n;
select pg_temp.note('explain', '{"one_more": 1, "field_1": 1}');
select results_eq(
  $$ select calls from fairlane_core.unused_fields where field in ('one_more', 'field_1') and endpoint = 'explain' $$, array[2::bigint],
  'Beyond five hundred none is new, and those that are there go on'
);
select pg_temp.note('health', jsonb_build_object(repeat('x', 64), 1, 'wrong', 'many', 'negative', -1));
select is(
  (select count(*) from fairlane_core.unused_fields where endpoint = 'health'), 1::bigint, 'What is no name or no number is left out'
);

select * from finish();
rollback;
