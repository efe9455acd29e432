-- The reaper's own way to set a worker aside. What it marks so, a beat may undo.
create function queue.mark_reaped(p_worker_id text, p_reason text)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update public.workers as w
  set status = 'error',
    reaped_at = queue.now(),
    metadata = w.metadata || jsonb_build_object('error_reason', p_reason, 'error_time', queue.now())
  where w.id = p_worker_id
    and w.status not in ('terminating', 'terminated', 'error', 'crashed');
  return found;
end;
$$;

comment on function queue.mark_reaped(text, text) is
  'Sets a worker to error with this reason, in a way that its next beat takes back; false when it is ending, had ended already or does not exist.';

revoke all on function queue.mark_reaped(text, text) from public, anon, authenticated, service_role;
