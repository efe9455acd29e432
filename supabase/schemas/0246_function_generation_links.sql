-- What a task's result record belongs to: params name a parent record, a place in it and a record it is based on; a
-- numbered part belongs to what its orchestrator names. A segment that is made once more may know its place by its index
-- alone: it builds on the record at the place before it, and so must the next on its own. What is malformed, or not the
-- owner's, is left out.
create function queue.generation_links(
  p_task_id uuid, p_user_id uuid, p_params jsonb,
  out parent_generation_id uuid, out child_order integer, out based_on uuid
)
returns record
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_uuid constant text := '^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$';
  v_part queue.subtasks;
  v_parent uuid := substring(p_params ->> 'parent_generation_id' from v_uuid)::uuid;
  v_based_on uuid := substring(p_params ->> 'based_on' from v_uuid)::uuid;
begin
  select s.* into v_part from queue.subtasks as s where s.task_id = p_task_id and s.final_rank in (1, 2);

  if v_parent is null and v_part.task_id is not null then
    select substring(o.params ->> 'parent_generation_id' from v_uuid)::uuid
    into v_parent
    from public.tasks as o
    where o.id = v_part.orchestrator_id
      and o.user_id = p_user_id;
  end if;

  if v_parent is not null then
    select g.id into parent_generation_id from public.generations as g where g.id = v_parent and g.user_id = p_user_id;
  end if;
  if v_based_on is not null then
    select g.id into based_on from public.generations as g where g.id = v_based_on and g.user_id = p_user_id;
  end if;
  child_order := case
    when parent_generation_id is not null
      then coalesce(
        substring(p_params ->> 'child_order' from '^[0-9]{1,9}$')::integer,
        v_part.part_index,
        substring(p_params ->> 'segment_index' from '^[0-9]{1,9}$')::integer
      )
  end;
end;
$$;

comment on function queue.generation_links(uuid, uuid, jsonb) is
  'The parent, the place in it and the basis of a task''s result record, as its params say; null where they name nothing of the owner''s.';

revoke all on function queue.generation_links(uuid, uuid, jsonb) from public, anon, authenticated, service_role;
