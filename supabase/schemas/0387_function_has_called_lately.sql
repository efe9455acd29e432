-- Api workers never beat: what shows that one lives is what it claims and reports. Calls that come away empty leave no trace.
create function queue.has_called_lately(p_worker_id text)
returns boolean
language plpgsql
stable
security definer -- asked by a trigger with the rights of whoever writes
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_now timestamptz := queue.now();
  v_since timestamptz := v_now - (select s.api_silence_limit from queue.settings as s);
begin
  return exists (
    select
    from public.tasks as t
    where t.worker_id = p_worker_id
      and t.status = 'In Progress'
      and t.token_id is null
      and queue.seen_at(greatest(t.claimed_at, t.reported_at), v_now) > v_since
  ) or exists (
    select
    from public.tasks as t
    where t.worker_id = p_worker_id
      and t.status = 'Complete'
      and t.token_id is null
      and t.generation_processed_at > v_since
      and queue.seen_at(t.generation_processed_at, v_now) > v_since
  );
end;
$$;

comment on function queue.has_called_lately(text) is
  'Whether this worker has claimed or completed a task, or reported on one that it runs, with the service key, within api_silence_limit.';

revoke all on function queue.has_called_lately(text) from public, anon, authenticated, service_role;
-- A trigger asks it with the rights of whoever writes.
grant execute on function queue.has_called_lately(text) to service_role;
