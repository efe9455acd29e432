-- Two reads of deployed workers: the finished segments of a run, and prompts of a shot, which this queue only refuses.

-- The finished segments of a run, for the worker that combines them.
-- See fairlane.get_completed_segments.
create function fairlane_core.get_completed_segments(p_caller jsonb, p_run_id text, p_project_id uuid, p_after_index integer)
returns json
language plpgsql
stable
security definer -- looks up the caller's token
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_most constant integer := 10000;
  v_most_bytes constant integer := 32 * 1024 * 1024;
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
begin
  return (
    select coalesce(
      json_agg(
        json_build_object('segment_index', s.segment_index, 'output_location', s.output_location)
        order by s.segment_index
      ),
      '[]'
    )
    from (
      select w.segment_index, w.output_location, sum(octet_length(w.output_location)) over (order by w.segment_index) as bytes
      from (
        -- If a segment was made again, the newest counts.
        select distinct on (n.segment_index) n.segment_index, t.output_location
        from fairlane.tasks as t
          cross join lateral (
            select substring(t.params ->> 'segment_index' from '^[0-9]{1,9}$')::integer
          ) as n (segment_index)
        where t.status = 'Complete'
          and t.task_type = 'travel_segment'
          and left(t.params ->> 'orchestrator_run_id', 128) = left(p_run_id, 128) -- as the index has it
          and t.params ->> 'orchestrator_run_id' = p_run_id
          and (v_caller.kind = 'service' or t.user_id = v_caller.user_id)
          and (p_project_id is null or t.project_id = p_project_id)
          and n.segment_index > coalesce(p_after_index, -1)
          and t.output_location <> ''
        order by n.segment_index, t.generation_processed_at desc nulls last, t.created_at desc, t.id
        limit v_most
      ) as w
    ) as s
    where s.bytes <= v_most_bytes
  );
end;
$$;

-- Shots belong to the application, not to the queue. Callers get an error of the queue's own, after their token was
-- checked, so that a wrong key is not taken for a missing feature.
-- See fairlane.update_shot_pair_prompts.
create function fairlane_core.update_shot_pair_prompts(p_caller jsonb)
returns json
language plpgsql
stable
security definer -- looks up the caller's token
set search_path = ''
as $$
begin
  perform fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  perform fairlane_core.refuse(
    501, 'NOT_SUPPORTED', 'This queue keeps no shots, so it cannot store their prompts',
    'Go on without; the prompts are in the params of the segments'
  );
  return null;
end;
$$;
