-- One infinite timestamp would make every subtraction from it fail, for everybody.
create function queue.refuse_endless_times(p_task public.tasks)
returns void
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if not (
    isfinite(p_task.created_at) and isfinite(p_task.updated_at) and isfinite(p_task.available_at)
    and isfinite(p_task.generation_started_at) and isfinite(p_task.generation_processed_at)
  ) then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'A time of a task must be finite', 'Send a date, not infinity');
  end if;
end;
$$;

comment on function queue.refuse_endless_times(public.tasks) is
  'Raises 400 INVALID_ARGUMENT when one of the task''s times is infinite.';

revoke all on function queue.refuse_endless_times(public.tasks) from public, anon, authenticated, service_role;
