-- The state machine (docs/architecture.md), as a question about two versions of a row. A claim and a requeue
-- prove themselves by a column that no API role may write, so a direct PATCH can be neither.
create function queue.is_legal_transition(p_old public.tasks, p_new public.tasks)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case
    when p_new.status = 'Queued' and p_old.status = 'Queued' then true
    when p_new.status = 'Queued' and p_old.status = 'In Progress' then true
    when p_new.status = 'Queued' then p_new.requeue_count > p_old.requeue_count
    when p_new.status = p_old.status then true
    when p_old.status = 'Queued' and p_new.status = 'In Progress'
      then p_new.lease_token is distinct from p_old.lease_token and p_new.lease_token is not null
    -- A result that arrives after the task was rescued; a task that nobody ever started has none.
    when p_old.status = 'Queued' and p_new.status = 'Complete' then p_old.claimed_at is not null
    when p_old.status in ('Queued', 'In Progress') then p_new.status in ('Complete', 'Failed', 'Cancelled')
    else false
  end;
end;
$$;

comment on function queue.is_legal_transition(public.tasks, public.tasks) is
  'Whether a task may change from the first version of its row to the second.';

revoke all on function queue.is_legal_transition(public.tasks, public.tasks) from public, anon, authenticated, service_role;
