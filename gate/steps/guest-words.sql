-- How clients say what the queue reads (20_rules/payload.sql): supabase/tests/001_fleet_words.test.sql in the queue's own
-- words, in its place where tests run on a guest's database (guest-tests.ts).
set client_min_messages = warning;

-- Types that tests name where it does not matter which. They stay, like the helpers.
insert into public.task_types (name, run_type, category, content_type, creates_generation, runs_on_own_gpu)
values
  ('clip', 'gpu', 'generation', 'video', true, false),
  ('film', 'gpu', 'generation', 'video', true, false),
  ('film_orchestrator', 'gpu', 'orchestration', 'video', false, false),
  ('montage_orchestrator', 'gpu', 'orchestration', 'video', false, false),
  ('montage', 'gpu', 'generation', 'video', true, false),
  ('process', 'gpu', 'processing', 'video', false, false),
  ('animate', 'api', 'generation', 'video', true, false),
  ('draw_image', 'api', 'generation', 'image', true, true),
  ('edit_image', 'api', 'generation', 'image', true, true),
  ('sketch_image', 'api', 'generation', 'image', true, true),
  ('style_image', 'api', 'generation', 'image', true, true),
  ('retouch_image', 'api', 'processing', 'image', true, true),
  ('upscale', 'gpu', 'processing', 'video', true, false)
on conflict (name) do nothing;

-- The type of a part, of one that merges parts, of the final child; any other kind is a type.
create or replace function tests.type_of(p_kind text)
returns text
language sql
immutable
set search_path = ''
as $$
  select case p_kind when 'part' then 'clip' when 'merge' then 'montage' when 'final' then 'film' else p_kind end;
$$;

-- Params of a child: whose it is, and which part or merge.
create or replace function tests.child_params(p_parent text, p_kind text default null, p_index integer default null)
returns jsonb
language sql
immutable
security definer -- asks the queue how it is said, on behalf of whoever runs the test
set search_path = ''
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    fairlane_core.parent_key(), p_parent,
    'part_index', case when p_kind in ('part', 'merge') then p_index end,
    'is_final', case when p_kind = 'final' then true end
  ));
$$;

-- Params of an orchestrator that announces so many parts and a final child, or so many less one that merge.
create or replace function tests.announcing(p_kind text, p_count integer)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object('expected_children', case p_kind when 'part' then p_count + 1 else p_count - 1 end);
$$;

-- Settings of a user with the switch for cloud or for local work in this position; without one, malformed as a whole.
create or replace function tests.switched(p_run_type text, p_value jsonb)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object(p_run_type, p_value);
$$;

-- What an orchestrator reports of children that it has enqueued, and when there are none to come.
create or replace function tests.says_enqueued()
returns text
language sql
immutable
set search_path = ''
as $$
  select 'Enqueued the children';
$$;

create or replace function tests.says_nothing_to_come()
returns text
language sql
immutable
set search_path = ''
as $$
  select 'Nothing to enqueue';
$$;

-- The metadata of a rented machine.
create or replace function tests.rented()
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select '{"machine_id": "pod"}'::jsonb;
$$;

create or replace function tests.types()
returns text[]
language sql
immutable
set search_path = ''
as $$
  select array[
    'clip', 'film', 'film_orchestrator', 'montage_orchestrator', 'montage', 'process', 'animate', 'draw_image', 'edit_image',
    'sketch_image', 'style_image', 'retouch_image', 'upscale'
  ];
$$;

-- Both switches, and what stands in the place of both.
create or replace function tests.switches(p_cloud boolean, p_local boolean)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object('cloud', p_cloud, 'local', p_local);
$$;

create or replace function tests.switched_as_a_whole(p_value jsonb)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select p_value;
$$;

-- Params with the model in the second of its places.
create or replace function tests.with_nested_model(p_model text)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object('model', p_model);
$$;

-- Params that name a parent, in every way; with %s for its id.
create or replace function tests.ways_to_name_a_parent()
returns setof text
language sql
immutable
set search_path = ''
as $$
  select pg_catalog.format('{"parent_task_id": "%%s", "note": %s}', n) from generate_series(1, 6) as n;
$$;

-- What the service key calls of the fleet's alone.
create or replace function tests.functions_of_the_fleet()
returns setof text
language sql
immutable
set search_path = ''
as $$
  select null::text where false;
$$;

-- Those that look at no task and only refuse.
create or replace function tests.refusing_functions()
returns text[]
language sql
immutable
set search_path = ''
as $$
  select array[]::text[];
$$;

select plan(1);
select has_function('tests', 'type_of', 'The words are there');
select * from finish();
