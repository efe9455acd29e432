-- How the fleet's clients say what the queue reads in general terms (85_fleet/payloads.sql), for tests that mean any of
-- them. Commits, like the helpers before it.
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
returns text language sql immutable set search_path = '' as $$
  select case p_kind when 'part' then 'travel_segment' when 'merge' then 'join_clips_segment' when 'final' then 'travel_stitch' else p_kind end;
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
    'segment_index', case when p_kind = 'part' then p_index end,
    'join_index', case when p_kind = 'merge' then p_index end
  ));
$$;

-- Params of an orchestrator that announces so many parts and a final child, or so many less one that merge.
create or replace function tests.announcing(p_kind text, p_count integer)
returns jsonb language sql immutable set search_path = '' as $$
  select jsonb_build_object('orchestrator_details', case p_kind
    when 'part' then jsonb_build_object('num_new_segments_to_generate', p_count)
    else jsonb_build_object('clip_list', to_jsonb(array_fill('clip'::text, array[p_count])))
  end);
$$;

-- Settings of a user with the switch for cloud or for local work in this position; without one, malformed as a whole.
create or replace function tests.switched(p_run_type text, p_value jsonb)
returns jsonb language sql immutable set search_path = '' as $$
  select jsonb_build_object('ui', jsonb_build_object('generationMethods', jsonb_build_object(
    case p_run_type when 'cloud' then 'inCloud' else 'onComputer' end, p_value
  )));
$$;

-- What an orchestrator reports of children that it has enqueued, and when there are none to come.
create or replace function tests.says_enqueued()
returns text language sql immutable set search_path = '' as $$
  select 'Successfully enqueued the children';
$$;

create or replace function tests.says_nothing_to_come()
returns text language sql immutable set search_path = '' as $$
  select 'No new segments to generate';
$$;

-- The metadata of a rented machine.
create or replace function tests.rented()
returns jsonb language sql immutable set search_path = '' as $$
  select '{"runpod_id": "pod"}'::jsonb;
$$;

create or replace function tests.types()
returns text[] language sql immutable set search_path = '' as $$
  select array[
    'clip', 'film', 'film_orchestrator', 'montage_orchestrator', 'montage', 'process', 'animate', 'draw_image', 'edit_image',
    'sketch_image', 'style_image', 'retouch_image', 'upscale'
  ];
$$;

-- Both switches, and what stands in the place of both.
create or replace function tests.switches(p_cloud boolean, p_local boolean)
returns jsonb language sql immutable set search_path = '' as $$
  select jsonb_build_object('ui', jsonb_build_object('generationMethods', jsonb_build_object('inCloud', p_cloud, 'onComputer', p_local)));
$$;

create or replace function tests.switched_as_a_whole(p_value jsonb)
returns jsonb language sql immutable set search_path = '' as $$
  select jsonb_build_object('ui', jsonb_build_object('generationMethods', p_value));
$$;

-- Params with the model in the second of its places.
create or replace function tests.with_nested_model(p_model text)
returns jsonb language sql immutable set search_path = '' as $$
  select jsonb_build_object('orchestrator_details', jsonb_build_object('model_name', p_model));
$$;

-- Params that name a parent, in every way; with %s for its id.
create or replace function tests.ways_to_name_a_parent()
returns setof text language sql immutable set search_path = '' as $$
  values
    ('{"orchestrator_task_id_ref": "%s"}'), ('{"orchestrator_task_id": "%s"}'), ('{"parent_orchestrator_task_id": "%s"}'),
    ('{"orchestrator_id": "%s"}'), ('{"orchestrator_details": {"orchestrator_task_id": "%s"}}'),
    ('{"orchestrator_task_id": "test_travel_1", "orchestrator_details": {"orchestrator_task_id_ref": "%s"}}');
$$;

-- What the service key calls of the fleet's alone.
create or replace function tests.functions_of_the_fleet()
returns setof text language sql immutable set search_path = '' as $$
  select unnest('{
    fairlane_core.counts_of_place, fairlane_core.fleet_summary, func_get_task_counts, func_insert_logs_batch, func_update_worker_heartbeat,
    func_worker_heartbeat_with_logs, get_completed_segments, fairlane_core.get_completed_segments, update_shot_pair_prompts,
    fairlane_core.update_shot_pair_prompts
  }'::text[]);
$$;

-- Those that look at no task and only refuse.
create or replace function tests.refusing_functions()
returns text[] language sql immutable set search_path = '' as $$
  select array['update_shot_pair_prompts'];
$$;

select plan(1);
select has_function('tests', 'type_of', 'The words of the fleet are there');
select * from finish();
