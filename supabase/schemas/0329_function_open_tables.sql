-- What a report writes, taken first, while the caller waits 200 ms for a lock and no longer: a table that somebody has
-- locked is told at once. From here on only rows can be waited for, the owner's own. For those a report waits longer: its
-- worker has nothing better to do, and its work must not be lost. But who waits holds a connection that all others need.
create function queue.open_tables(p_is_report boolean)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  lock table public.tasks, public.task_events, public.generations, queue.user_slots, queue.user_lines in row exclusive mode;
  lock table public.users, public.projects in row share mode;
  perform set_config('lock_timeout', ceil(1000 * extract(epoch from case when p_is_report then s.max_report_wait else 2 * s.max_lock_wait end)) || 'ms', true)
  from queue.settings as s;
end;
$$;

comment on function queue.open_tables(boolean) is
  'Takes the tables that reports write, within lock_timeout, and sets lock_timeout to queue.settings.max_report_wait (of anything but a worker''s report: to twice max_lock_wait) until the calling function of the API returns.';

revoke all on function queue.open_tables(boolean) from public, anon, authenticated, service_role;
