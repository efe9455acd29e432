-- Everything that the queue reads in params, in reports and in the settings of an owner. A deployment whose clients use
-- other names replaces these functions (85_fleet/payloads.sql) and nothing else. Functions without arguments are
-- constants: a plan evaluates them once.

-- The member of params that names the task's orchestrator.
create function fairlane_core.parent_key()
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return 'parent_task_id';
end;
$$;

-- The tasks that params name as the orchestrator, the likeliest first; null for none. Texts that are no UUID are
-- ignored.
create function fairlane_core.named_parents(p_params jsonb)
returns uuid[]
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return nullif(array_remove(array[fairlane_core.parent_task_id(p_params)], null), '{}');
end;
$$;

-- The member of params that says which part a task is, even if it names no orchestrator.
create function fairlane_core.place_key()
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return 'part_index';
end;
$$;

-- Which part of its family a child is (fairlane_core.subtasks): rank 3 is the final child, of which there is one; among
-- the others the one with the highest rank and index provides the family's result.
create function fairlane_core.part_of(p_task_type text, p_params jsonb, out final_rank smallint, out part_index integer)
returns record
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  part_index := substring(p_params ->> 'part_index' from '^[0-9]{1,9}$')::integer;
  final_rank := case when p_params ->> 'is_final' = 'true' then 3 when part_index is not null then 1 else 0 end;
  if final_rank = 3 then
    part_index := 0;
  end if;
end;
$$;

-- Whether a family has as many children as the params of its orchestrator announce; false when they announce nothing.
-- p_is_quiet: no child has come for a while.
create function fairlane_core.has_expected_children(p_family fairlane_core.orchestrations, p_params jsonb, p_is_quiet boolean)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return coalesce(
    p_family.open_count + p_family.complete_count + p_family.failed_count + p_family.cancelled_count
      >= substring(p_params ->> 'expected_children' from '^[0-9]{1,9}$')::integer,
    false
  );
end;
$$;

-- Whether an orchestrator reports with this text that no children will come: it then completes without a result.
create function fairlane_core.has_nothing_to_enqueue(p_report text)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return coalesce(p_report ~ '^Nothing to enqueue', false);
end;
$$;

-- Whether an orchestrator reports with this text that its children were enqueued; if it then has none, they are lost.
create function fairlane_core.has_enqueued(p_report text)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return coalesce(p_report ~ '^Enqueued ', false);
end;
$$;

-- Which model a task wants; null = any. Cut, because it is part of an index key and a client may send any text.
create function fairlane_core.task_model(p_params jsonb)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return left(p_params ->> 'model', 200);
end;
$$;

-- Whether a task of this type takes one of its owner's slots: orchestration does not. A type without a row has no category.
create function fairlane_core.takes_slot(p_task_type text, p_category text)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return p_category is distinct from 'orchestration';
end;
$$;

-- The pools of work, each with its own workers: gpu (also for a type without a row) and api. To add one, also add it to
-- the two checks that name them (task_types, settings) and to shared/claim.ts; tests compare them with this list.
create function fairlane_core.pools()
returns text[]
language sql
immutable
security invoker
set search_path = ''
as $$
  select array['gpu', 'api'];
$$;

-- Where in an owner's settings the switch for cloud or local work is; only false switches it off.
create function fairlane_core.switch_path(p_run_type text)
returns text[]
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return array[p_run_type];
end;
$$;

-- Whether this worker runs on a machine that an autoscaler has rented and will replace.
create function fairlane_core.is_rented(p_worker fairlane.workers)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return coalesce(p_worker.metadata ? 'machine_id', false);
end;
$$;
