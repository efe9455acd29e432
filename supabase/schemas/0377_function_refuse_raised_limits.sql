-- Starts and time of a task are machines' time: an owner may ask for less than the type allows, never for more.
create function queue.refuse_raised_limits(p_caller queue.caller, p_request queue.task_request)
returns void
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_max_attempts integer;
  v_timeout interval;
begin
  if p_caller.kind = 'service' then
    return;
  end if;

  v_max_attempts := queue.max_attempts(p_request.task_type);
  if p_request.max_attempts > v_max_attempts then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format(
        'The max_attempts of a task of type %s must be at most %s, not %s',
        p_request.task_type, v_max_attempts, p_request.max_attempts
      ),
      'Leave it out for the type''s'
    );
  end if;

  select y.timeout into v_timeout from public.task_types as y where y.name = p_request.task_type;
  if make_interval(secs => p_request.timeout_seconds) > v_timeout then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format(
        'The timeout_seconds of a task of type %s must be at most %s, not %s',
        p_request.task_type, extract(epoch from v_timeout)::bigint, p_request.timeout_seconds
      ),
      'Leave it out for the type''s'
    );
  end if;
end;
$$;

comment on function queue.refuse_raised_limits(queue.caller, queue.task_request) is
  'Raises 400 INVALID_ARGUMENT when a user or token asks for more starts or a longer timeout than the task''s type allows.';

revoke all on function queue.refuse_raised_limits(queue.caller, queue.task_request) from public, anon, authenticated, service_role;
