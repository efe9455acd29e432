-- The same for a user's own machine: one user, so no turns.
create function queue.take_own_task(p_caller queue.caller, p_worker_id text, p_pool text, p_claim_id text, p_affinity queue.affinity, p_now timestamptz)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task_id uuid;
  v_is_held boolean := true;
  v_unfit_id uuid;
  v_task public.tasks;
begin
  -- Looked at without a lock first: an idle poll writes nothing, not even a lock. Counting is left out where one step into
  -- an index says that there is something, or that there can be nothing.
  if exists (select from queue.user_slots as s where s.user_id = p_caller.user_id and s.local_reason is not null) then
    return v_task;
  elsif not exists (
    select
    from queue.own_gpu_line(p_caller, p_pool, 1) as t
    where not queue.is_stale(greatest(t.created_at, t.available_at, t.released_at), t.attempts > 0 or t.claimed_at is not null, t.params)
      and not queue.is_behind_its_type(t.task_type, t.pool, t.takes_slot, t.runs_on_own_gpu, t.standing)
  ) and queue.claimable_count(p_caller, p_pool) = 0 then
    return v_task;
  end if;

  perform queue.release_due_tasks(p_pool, p_caller);

  -- A few heads that cannot be handed out are ended on the way, each after the user's lock was given back.
  for v_look in 1..5 loop
    begin
      if queue.wait_for_owner(p_caller.user_id) then
        select h.task_id, h.is_held
        into v_task_id, v_is_held
        from queue.lock_head_of_line(p_caller.user_id, p_pool, p_caller, p_affinity) as h;
      end if;
      exit;
    exception when sqlstate 'QU002' then
      v_unfit_id := sqlerrm::uuid;
    end;
    exit when not queue.end_unfit_task(v_unfit_id);
  end loop;

  if v_task_id is not null then
    v_task := queue.start_task(v_task_id, p_worker_id, p_caller.token_id, p_claim_id, p_now);
  else
    perform queue.say_passed_over(v_is_held::integer);
  end if;
  return v_task;
end;
$$;

comment on function queue.take_own_task(queue.caller, text, text, text, queue.affinity, timestamptz) is
  'Claims the next task, cloud or local, of the token''s owner and returns it; null when there is none that nobody else holds (queue.say_passed_over).';

revoke all on function queue.take_own_task(queue.caller, text, text, text, queue.affinity, timestamptz) from public, anon, authenticated, service_role;
