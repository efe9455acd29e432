-- What a report writes, taken first, while the caller waits 200 ms for a lock and no longer: a table that somebody has
-- locked is told at once. From here on only rows can be waited for, the owner's own, and for those a report waits: the
-- worker that sends it has nothing better to do, and its work must not be lost.
create function queue.open_tables()
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  lock table public.tasks, public.task_events, public.generations, queue.user_slots, queue.user_lines in row exclusive mode;
  lock table public.users, public.projects in row share mode;
  perform set_config('lock_timeout', '0', true);
end;
$$;

comment on function queue.open_tables() is
  'Takes the tables that reports write, within lock_timeout, and ends lock_timeout until the calling function of the API returns.';

revoke all on function queue.open_tables() from public, anon, authenticated, service_role;
