-- Orchestrators look for lost tasks, and then PATCH them by their ids, without asking again who holds them now. The queue
-- may have taken such a task back in between and handed it to another machine: that start is not the one they saw. Their
-- resets are known by their words, and none of them looks for a start as young as this.
create function queue.is_overtaken_reset(p_old public.tasks, p_new public.tasks)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return p_old.status = 'In Progress'
    and p_new.status = 'Queued'
    and p_new.error_message like 'Reset - %'
    and p_old.attempts + p_old.free_returns > 1
    and p_old.token_id is null
    and p_old.claimed_at > queue.now() - interval '1 minute'
    and (
      p_old.pool <> 'gpu'
      or exists (
        select
        from public.workers as w
        where w.id = p_old.worker_id
          and w.status not in ('terminated', 'error', 'crashed')
          and queue.is_beating(w.last_heartbeat)
      )
    );
end;
$$;

comment on function queue.is_overtaken_reset(public.tasks, public.tasks) is
  'Whether this direct change is an orchestrator''s reset of a task that has been handed out anew since it looked: not the first start, younger than a minute, held by a live worker.';

revoke all on function queue.is_overtaken_reset(public.tasks, public.tasks) from public, anon, authenticated, service_role;
