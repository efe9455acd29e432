-- Whether a start ends with its machine and through no fault of its own: the machine was sent home, and something was heard
-- of the task within the time after which a task counts as stuck. A task that hangs has its machines switched off, too.
create function queue.is_taken_home(p_worker public.workers, p_task public.tasks)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.is_sent_home(p_worker)
    and coalesce(
      queue.seen_at(greatest(p_task.claimed_at, p_task.reported_at), queue.now())
        > queue.now() - (select s.quiet_task_limit from queue.settings as s),
      false
    );
end;
$$;

comment on function queue.is_taken_home(public.workers, public.tasks) is
  'Whether this running task of a worker that has ended loses its start only because the machine was sent home (queue.is_sent_home): it is not counted.';

revoke all on function queue.is_taken_home(public.workers, public.tasks) from public, anon, authenticated, service_role;
