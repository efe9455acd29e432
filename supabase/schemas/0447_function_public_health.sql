-- Whether the queue looks after itself, as functions ask it.
create function public.health(p_caller jsonb)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.health_while_locked
as $$
begin
  return queue.health(p_caller);
exception when lock_not_available then
  return queue.health_while_locked(p_caller);
end;
$$;

comment on function public.health(jsonb) is
  'Whether the queue''s jobs run and its counters agree: {status: ok or degraded, reasons: [{code: JOB_LATE, JOB_FAILED, DRIFT, ROW_MISSING, RESTORE_UNFINISHED, SETTLING_LATE or HELD_UP, message}], notices: [{code: FIELD_NOT_USED or UNKNOWN_TASK_TYPE, message}], which are no fault, checked_at, database_started_at, jobs: [{job, period_seconds, ran_at, took_ms, result, failed_at, error}]}. Errors: 403. service_role only.';

revoke all on function public.health(jsonb) from public, anon, authenticated, service_role;
grant execute on function public.health(jsonb) to service_role;
