-- Whether an orchestrator has sent this machine home: it set the row to terminated, or to terminating first, while the machine
-- beat, and its reason is none of a fault. Then what the machine ran is not to blame, whether the machine's own goodbye comes before or after; and
-- which of the two is first is chance. Narrow on purpose: a start is no task's fault only where somebody says why the
-- machine went. Some orchestrators say it in termination_reason, others in error_reason, where faults are, too; so there it
-- has to be known for what it is.
create function queue.is_sent_home(p_worker public.workers)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_fault constant text := '(stuck|\mh[ua]ng|frozen|stall|stale|silent|heartbeat|responsive|reachable|unhealthy|crash|fail|error|fatal|overlong|too.long|task.?time|\moom|memory)';
  v_given text := nullif(p_worker.metadata ->> 'termination_reason', '');
  v_error text := coalesce(p_worker.metadata ->> 'error_reason', '');
begin
  return p_worker.status in ('terminating', 'terminated')
    and p_worker.goodbye_at is null
    and p_worker.reaped_at is null
    and coalesce(v_given, v_error) !~* v_fault
    and (v_given is not null or v_error ~* '(idle|over.?capacity|scal(e|ed|ing)\M|surplus|no work)')
    and coalesce(
      queue.seen_at(p_worker.last_heartbeat, queue.now())
        > coalesce(p_worker.ended_at, queue.now()) - (select s.gpu_silence_limit from queue.settings as s)
        -- It fell silent on its way out: had it been silent before, it would have failed (queue.workers_before_write).
        or (p_worker.last_heartbeat is not null and p_worker.failed_at is null),
      false
    );
end;
$$;

comment on function queue.is_sent_home(public.workers) is
  'Whether this worker was set to terminating or terminated while it beat, for a termination_reason (or an error_reason that says that it was idle or one too many) that names no fault.';

revoke all on function queue.is_sent_home(public.workers) from public, anon, authenticated, service_role;
