-- Puts running tasks back, each with its reason, in one statement: so their owners are locked once, in order. What has
-- reported, ended or changed hands since it was looked at is left alone, and so is what somebody is just changing.
create function queue.put_back(p_lost queue.lost_task[])
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_count integer;
begin
  -- A task that never reached its worker, or whose worker was shut out, gets its start back (queue.tasks_before_update).
  perform set_config('queue.forgives_starts', 'on', true);
  with held as (
    select t.id
    from public.tasks as t
      join unnest(p_lost) as l on l.task_id = t.id
    where t.status = 'In Progress'
      and t.lease_token is not distinct from l.lease_token
      and t.reported_at is not distinct from l.reported_at
    order by t.id
    for no key update of t skip locked
  )
  update public.tasks as t
  set status = 'Queued',
    attempts = t.attempts - (l.cause in ('never_delivered', 'token_ended'))::integer,
    error_message = l.reason
  from held as h
    join unnest(p_lost) as l on l.task_id = h.id
  where t.id = h.id;
  get diagnostics v_count = row_count;
  perform set_config('queue.forgives_starts', 'off', true);
  return v_count;
end;
$$;

comment on function queue.put_back(queue.lost_task[]) is
  'Puts these tasks back into the queue (or ends them Failed after their last start) with their reasons, and returns how many; the start of one that was never delivered, or whose token has ended, is not counted.';

revoke all on function queue.put_back(queue.lost_task[]) from public, anon, authenticated, service_role;
