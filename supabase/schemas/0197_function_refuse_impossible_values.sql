-- One infinite timestamp would make every subtraction from it fail, for everybody; a limit below one would never be
-- reached. Asked here and not by checks: the table's hottest statements would parse those anew each time.
create function queue.refuse_impossible_values(p_task public.tasks)
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
  elsif p_task.max_attempts < 1 or p_task.timeout <= interval '0' then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT', 'max_attempts must be 1 or more, and timeout longer than nothing', 'Leave it out for the type''s'
    );
  elsif p_task.run_type not in ('cloud', 'local') then
    perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The run_type must be cloud or local, not %s', p_task.run_type));
  end if;
end;
$$;

comment on function queue.refuse_impossible_values(public.tasks) is
  'Raises 400 INVALID_ARGUMENT when one of the task''s times is infinite, one of its limits is not positive or its run_type does not exist.';

revoke all on function queue.refuse_impossible_values(public.tasks) from public, anon, authenticated, service_role;
