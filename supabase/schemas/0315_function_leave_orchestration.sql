-- A worker that runs one task at a time and asks for another orchestrates nothing any more, whatever it has said of it: the
-- places are free, but that of the one whose reply was lost (queue.lost_orchestration). Waits for nobody: what somebody is
-- just changing is left for the next claim.
create function queue.leave_orchestration(p_worker_id text, p_token_id uuid, p_pool text, p_but uuid default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task_id uuid;
  v_task public.tasks;
begin
  for v_task_id in
    -- Ordered apart: claims forbid sorts, and an index in this order is no way to what a worker holds.
    with held as materialized (
      select t.id, t.user_id
      from public.tasks as t
      where t.worker_id = p_worker_id
        and t.status = 'In Progress'
        and t.token_id is not distinct from p_token_id
        and t.pool = p_pool
        and not t.takes_slot
        and t.id is distinct from p_but
        and not queue.is_handed_over(t.id, t.lease_token)
    )
    select h.id from held as h order by h.user_id, h.id
  loop
    -- The task before its owner, like everywhere.
    select t.* into v_task from public.tasks as t where t.id = v_task_id for no key update skip locked;
    continue when v_task.id is null;
    perform from queue.user_slots as s where s.user_id = v_task.user_id for no key update skip locked;
    continue when not found;
    if v_task.standing = 'active' and v_task.worker_id = p_worker_id and v_task.token_id is not distinct from p_token_id
      and not v_task.takes_slot and not queue.is_handed_over(v_task.id, v_task.lease_token) then
      perform queue.hand_over(v_task);
    end if;
  end loop;
end;
$$;

comment on function queue.leave_orchestration(text, uuid, text, uuid) is
  'Frees the places of the orchestration tasks that this worker still holds in this pool, but that of p_but.';

revoke all on function queue.leave_orchestration(text, uuid, text, uuid) from public, anon, authenticated, service_role;
