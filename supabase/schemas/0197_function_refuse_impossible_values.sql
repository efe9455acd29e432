-- One infinite timestamp would make every subtraction from it fail, for everybody; one number at the end of its range
-- every sum with it; a text of a megabyte every list that shows it. So a row has the bounds of create-task whatever the
-- way in. Asked here and not by checks: the table's hottest statements would parse those anew each time. What a row has
-- from before these bounds it keeps: it must still be possible to end it.
create function queue.refuse_impossible_values(p_task public.tasks, p_old public.tasks default null)
returns void
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_first constant timestamptz := timestamptz '2000-01-01 00:00:00+00';
  v_end constant timestamptz := timestamptz '2101-01-01 00:00:00+00';
begin
  if least(
      p_task.created_at, p_task.updated_at, p_task.available_at, p_task.generation_started_at, p_task.generation_processed_at
    ) < v_first
    or greatest(
      p_task.created_at, p_task.updated_at, p_task.available_at, p_task.generation_started_at, p_task.generation_processed_at
    ) >= v_end
  then
    if exists (
      select
      from (
        values
          (p_task.created_at, p_old.created_at),
          (p_task.updated_at, p_old.updated_at),
          (p_task.available_at, p_old.available_at),
          (p_task.generation_started_at, p_old.generation_started_at),
          (p_task.generation_processed_at, p_old.generation_processed_at)
      ) as v (new_time, old_time)
      where v.new_time is distinct from v.old_time
        and not (v.new_time >= v_first and v.new_time < v_end)
    ) then
      perform queue.refuse(400, 'INVALID_ARGUMENT', 'A time of a task must lie in the years 2000 to 2100', 'Send a date, not infinity');
    end if;
  end if;

  if p_task.priority not between -1000 and 1000 and p_task.priority is distinct from p_old.priority then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT', pg_catalog.format('The priority must be from -1000 to 1000, not %s', p_task.priority)
    );
  elsif length(p_task.task_type) not between 1 and 200 and p_task.task_type is distinct from p_old.task_type then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The task_type must have 1 to 200 characters');
  elsif length(p_task.idempotency_key) not between 1 and 255
    and p_task.idempotency_key is distinct from p_old.idempotency_key then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The idempotency_key must have 1 to 255 characters');
  elsif length(p_task.worker_id) > 255 and p_task.worker_id is distinct from p_old.worker_id then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The worker_id must have at most 255 characters');
  elsif p_task.attempts not between 0 and 1000 and p_old.id is null then
    perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The attempts must be from 0 to 1000, not %s', p_task.attempts));
  elsif p_task.max_attempts is distinct from p_old.max_attempts
    -- A requeue grants as many starts again as the type allows.
    and p_task.max_attempts not between 1 and coalesce(p_old.attempts, 0) + 1000 then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'max_attempts must be from 1 to 1000', 'Leave it out for the type''s');
  elsif p_task.timeout is distinct from p_old.timeout
    and not (p_task.timeout > interval '0' and p_task.timeout <= interval '30 days') then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT', 'The timeout must be longer than nothing and at most 30 days', 'Leave it out for the type''s'
    );
  elsif p_task.run_type not in ('cloud', 'local') then
    perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The run_type must be cloud or local, not %s', left(p_task.run_type, 100)));
  end if;
end;
$$;

comment on function queue.refuse_impossible_values(public.tasks, public.tasks) is
  'Raises 400 INVALID_ARGUMENT when a value that is new in this version of a task is out of its bounds: times, priority, limits, names; or when its run_type does not exist.';

revoke all on function queue.refuse_impossible_values(public.tasks, public.tasks) from public, anon, authenticated, service_role;
