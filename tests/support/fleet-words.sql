-- What tests/isolation says of families, in the words of the fleet (fleet-words.ts).

create function isolation.announcing_merges(p_clips integer)
returns jsonb
language sql
as $$
  select jsonb_build_object('orchestrator_details', jsonb_build_object('clip_list', to_jsonb(array_fill('clip'::text, array[p_clips]))))
$$;

create function isolation.merge_params(p_orchestrator uuid, p_index integer)
returns jsonb
language sql
as $$
  select jsonb_build_object(fairlane_core.parent_key(), p_orchestrator, 'join_index', p_index)
$$;

create function isolation.merge_type()
returns text
language sql
as $$
  select 'join_clips_segment'
$$;
