-- A call that only reads cannot write down that it came; so whoever answers it says it here. It speaks for the task that it
-- names, and for no other: what else runs under the same token may be another machine, dead or alive.
create function queue.note_call(p_caller jsonb, p_task_id uuid)
returns boolean
language plpgsql
volatile
security definer -- writes columns of tasks that no API role may
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['token']);
  v_now timestamptz := queue.now();
begin
  update public.tasks as t
  set seen_at = v_now,
    updated_at = v_now,
    delivered_at = coalesce(t.delivered_at, v_now)
  from (
    select h.id
    from public.tasks as h
    where h.id = p_task_id
      and h.token_id = v_caller.token_id
      and h.status = 'In Progress'
      and greatest(h.claimed_at, h.reported_at, h.seen_at) < v_now - interval '10 seconds'
    for no key update skip locked
  ) as held
  where t.id = held.id;
  return found;
end;
$$;

comment on function queue.note_call(jsonb, uuid) is 'See public.note_call.';

revoke all on function queue.note_call(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function queue.note_call(jsonb, uuid) to service_role;
