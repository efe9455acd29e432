-- The orchestrator, the machine's startup script and the worker itself all read metadata whole and write it whole, each
-- with keys of its own. What one has written since the other read must survive that. So a direct write adds and changes
-- keys, and takes none away; null is a value. What was said of an end belongs to that end and goes with it.
create function queue.workers_before_metadata()
returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
begin
  new.metadata := queue.metadata_without_end(old.metadata) || new.metadata;
  return new;
end;
$$;

comment on function queue.workers_before_metadata() is
  'Trigger: keys of a worker''s metadata survive a direct write of the service key that does not name them, but error_reason, error_time, termination_reason and self_terminated.';

revoke all on function queue.workers_before_metadata() from public, anon, authenticated, service_role;

create trigger workers_before_metadata
  before update of metadata on public.workers
  for each row
  -- Asked here, with the rights of whoever writes: the beats of the queue itself need not call it.
  when (
    new.metadata is distinct from old.metadata and current_user = 'service_role' and jsonb_typeof(new.metadata) = 'object'
  )
  execute function queue.workers_before_metadata();
