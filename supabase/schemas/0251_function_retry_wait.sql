-- The wait before a failed task is tried again: doubled at each start, and spread, so that tasks that failed together
-- (a provider was down) do not all come back together.
create function queue.retry_wait(p_attempts integer)
returns interval
language plpgsql
volatile -- random
security invoker
set search_path = ''
as $$
declare
  v_settings queue.settings;
begin
  select s.* into v_settings from queue.settings as s;
  return least(
    v_settings.max_retry_delay,
    -- Doubling stops where any delay has long reached its limit.
    v_settings.retry_delay * pg_catalog.power(2, least(greatest(p_attempts, 1), 20) - 1)
  ) * (0.75 + pg_catalog.random() * 0.25);
end;
$$;

comment on function queue.retry_wait(integer) is
  'How long a task waits after its n-th failed start: queue.settings.retry_delay * 2^(n-1), at most max_retry_delay, less up to a quarter at random.';

revoke all on function queue.retry_wait(integer) from public, anon, authenticated, service_role;
