-- Whether a start has run for much longer than is usual for its type. It is only flagged: its timeout ends it.
create function queue.is_overlong(p_task public.tasks, p_settings queue.settings, p_now timestamptz)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if coalesce(p_task.claimed_at >= p_now - p_settings.quiet_task_limit, true) then
    return false;
  end if;
  return p_task.claimed_at < p_now - coalesce(
    (
      select d.usual * p_settings.overlong_factor::double precision
      from queue.type_durations as d
      where d.task_type = p_task.task_type
        and cardinality(d.durations) >= 5 -- fewer say nothing about what is usual
    ),
    p_settings.overlong_after
  );
end;
$$;

comment on function queue.is_overlong(public.tasks, queue.settings, timestamptz) is
  'Whether this start has run for overlong_factor times what nine of ten tasks of its type take, or for overlong_after where too few have completed; never before quiet_task_limit.';

revoke all on function queue.is_overlong(public.tasks, queue.settings, timestamptz) from public, anon, authenticated, service_role;
