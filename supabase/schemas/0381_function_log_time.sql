-- When a log line was written, as its sender says, if that can be true. Logs are read and purged by this time: a line
-- dated next year would never go, one from 1970 would be gone before anyone has read it.
create function queue.log_time(p_text text, p_now timestamptz)
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
set timezone = 'UTC' -- what a time without a zone means
as $$
declare
  v_time timestamptz;
begin
  -- Also keeps out words that Postgres reads as times: now, today, infinity.
  if p_text !~ '^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}' then
    return p_now;
  end if;
  v_time := p_text::timestamptz;
  if v_time between p_now - interval '1 day' and p_now + interval '5 minutes' then
    return v_time;
  end if;
  return p_now;
exception
  when data_exception then
    return p_now;
end;
$$;

comment on function queue.log_time(text, timestamptz) is
  'The time a log line names, if it is one of the last day and not ahead of the clock; else the time given as now.';

revoke all on function queue.log_time(text, timestamptz) from public, anon, authenticated, service_role;
