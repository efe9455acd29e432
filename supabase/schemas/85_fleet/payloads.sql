-- What the fleet's clients send, in the queue's terms: each function of 20_rules/payload.sql again, and what depends on
-- the same names: an index, and the key of a rented machine.

-- How clients name the orchestrator of a child.
create or replace function fairlane_core.parent_key()
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return 'orchestrator_task_id_ref';
end;
$$;

-- Clients have named the orchestrator in several ways. Texts that are no UUID (people's own ids) are ignored.
create or replace function fairlane_core.named_parents(p_params jsonb)
returns uuid[]
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return (
    select array_agg((p.holder ->> k.key)::uuid order by p.place, k.place)
    from (values (1, p_params), (2, p_params -> 'orchestrator_details')) as p (place, holder)
      cross join (
        values (1, 'orchestrator_task_id_ref'), (2, 'orchestrator_task_id'), (3, 'parent_orchestrator_task_id'), (4, 'orchestrator_id')
      ) as k (place, key)
    where p.holder ->> k.key ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
  );
end;
$$;

-- A segment that is made again may know only its index as position.
create or replace function fairlane_core.place_key()
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return 'segment_index';
end;
$$;

-- A stitch (rank 3) combines everything, so there is one of it; joins (2) rank above segments (1) because the last join
-- contains all clips.
create or replace function fairlane_core.part_of(p_task_type text, p_params jsonb, out final_rank smallint, out part_index integer)
returns record
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_join text := substring(p_params ->> 'join_index' from '^[0-9]{1,9}$');
  v_segment text := substring(p_params ->> 'segment_index' from '^[0-9]{1,9}$');
begin
  final_rank := case
    when p_task_type like '%\_stitch' then 3
    when v_join is not null then 2
    when v_segment is not null and p_task_type like '%segment%' then 1
    else 0
  end;
  part_index := case when final_rank = 3 then 0 else coalesce(v_join, v_segment)::integer end;
end;
$$;

-- A travel job announces its new segments, and usually has a stitch, which is not waited for when the family is quiet.
-- A job of joins has one for each pair of neighbours.
create or replace function fairlane_core.has_expected_children(p_family fairlane_core.orchestrations, p_params jsonb, p_is_quiet boolean)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_details jsonb := p_params -> 'orchestrator_details';
  v_segments text := substring(v_details ->> 'num_new_segments_to_generate' from '^[0-9]{1,9}$');
begin
  if v_segments is not null then
    return p_family.part_count >= v_segments::integer and (p_family.final_count > 0 or p_is_quiet);
  elsif jsonb_typeof(v_details -> 'clip_list') = 'array' then
    return p_family.merge_count >= greatest(jsonb_array_length(v_details -> 'clip_list') - 1, 1);
  end if;
  return false;
end;
$$;

-- Deployed orchestrators say so and end; they report no result. Older ones prefix the mark of their log.
create or replace function fairlane_core.has_nothing_to_enqueue(p_report text)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return coalesce(p_report ~ '^(\[WARNING Task ID: [^]]{1,100}\] )?No new segments to generate', false);
end;
$$;

-- What deployed orchestrators say once their children exist, or existed before.
create or replace function fairlane_core.has_enqueued(p_report text)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return coalesce(p_report ~ '^(Successfully enqueued|\[IDEMPOTENT\])', false);
end;
$$;

-- The model, in any of the places where clients put it.
create or replace function fairlane_core.task_model(p_params jsonb)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return left(
    coalesce(p_params ->> 'model', p_params ->> 'model_name', p_params #>> '{orchestrator_details,model_name}'),
    200
  );
end;
$$;

-- A type without a row is orchestration if its name ends in _orchestrator, the rule of deployed workers.
create or replace function fairlane_core.takes_slot(p_task_type text, p_category text)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if p_category is not null then
    return p_category <> 'orchestration';
  end if;
  return right(p_task_type, 13) is distinct from '_orchestrator';
end;
$$;

-- Besides gpu and api the pool of a service that runs exactly two types (the checks are in 01_types_and_settings.sql).
create or replace function fairlane_core.pools()
returns text[]
language sql
immutable
security invoker
set search_path = ''
as $$
  select array['gpu', 'api', 'banodoco'];
$$;

-- Where the app stores the two switches of a user.
create or replace function fairlane_core.switch_path(p_run_type text)
returns text[]
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return array['ui', 'generationMethods', case p_run_type when 'cloud' then 'inCloud' else 'onComputer' end];
end;
$$;

-- Rented machines have the id that is used to return them.
create or replace function fairlane_core.is_rented(p_worker fairlane.workers)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return coalesce(p_worker.metadata ? 'runpod_id', false);
end;
$$;

-- Orchestrators read a worker, decide, and PATCH its metadata as a whole. The id of the rented machine must survive
-- that, unless it is set to null: without it nobody can switch that machine off.
create function fairlane_core.workers_keep_runpod_id()
returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
begin
  new.metadata := new.metadata || jsonb_build_object('runpod_id', old.metadata -> 'runpod_id');
  return new;
end;
$$;

-- Before workers_before_write, which reads the final metadata.
create trigger workers_before_update_keep_runpod_id
  before update of metadata on fairlane.workers
  for each row
  when (old.metadata ? 'runpod_id' and not new.metadata ? 'runpod_id')
  execute function fairlane_core.workers_keep_runpod_id();

-- The finished segments of a run. Partial, so that only a completion pays for it; cut, because a client may send any text.
create index tasks_segments_of_a_run on fairlane.tasks (left(params ->> 'orchestrator_run_id', 128))
  where status = 'Complete' and task_type = 'travel_segment';
