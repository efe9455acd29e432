-- What a type without a row counts as: what its row would say if nothing were said of it.
create function queue.type_by_name(p_name text)
returns public.task_types
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_type public.task_types;
begin
  v_type.name := p_name;
  v_type.run_type := 'gpu';
  v_type.category := case when queue.takes_slot(p_name, null) then 'processing' else 'orchestration' end;
  v_type.is_active := true;
  v_type.creates_generation := false;
  v_type.is_retryable := true;
  v_type.runs_on_own_gpu := false;
  return v_type;
end;
$$;

comment on function queue.type_by_name(text) is 'What tasks of a type with this name count as while it has no row.';

revoke all on function queue.type_by_name(text) from public, anon, authenticated, service_role;
