-- What a report writes, taken first, while the caller waits 200 ms for a lock and no longer: a table that somebody has
-- locked is told at once. From here on only rows can be waited for, the owner's own. For those a report waits longer: its
-- worker has nothing better to do, and its work must not be lost. But who waits holds a connection that all others need.
create function queue.open_tables(p_max_wait text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  lock table public.tasks, public.task_events, public.generations, queue.user_slots, queue.user_lines in row exclusive mode;
  lock table public.users, public.projects in row share mode;
  perform set_config('lock_timeout', p_max_wait, true);
end;
$$;

comment on function queue.open_tables(text) is
  'Takes the tables that reports write, within lock_timeout, and sets lock_timeout to p_max_wait until the calling function of the API returns.';

revoke all on function queue.open_tables(text) from public, anon, authenticated, service_role;
