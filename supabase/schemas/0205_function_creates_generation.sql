-- Whether completing a task leaves a result record.
create function queue.creates_generation(p_task_type text, p_params jsonb)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return exists (
    select from public.task_types as y
    where y.name = p_task_type
      and y.creates_generation
  ) and p_params ->> 'skip_generation' is distinct from 'true';
end;
$$;

comment on function queue.creates_generation(text, jsonb) is
  'Whether completing a task of this type with these params records a generation; params.skip_generation = true says no.';

revoke all on function queue.creates_generation(text, jsonb) from public, anon, authenticated, service_role;
