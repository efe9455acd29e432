-- Looks for work until it has a task or knows that there is none. Each look is a subtransaction: one that does not
-- end in a claim gives its locks back, so that nobody ever waits while holding a lock on somebody's slots.
create function queue.take_next_task(p_caller queue.caller, p_worker_id text, p_pool text, p_claim_id text)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_passed_over uuid[] := '{}';
  v_user_id uuid;
  v_task_id uuid;
  v_wait boolean := p_caller.user_id is not null;
  v_released boolean := false;
begin
  loop
    begin
      v_task_id := null;
      if p_caller.user_id is null then
        v_user_id := queue.lock_open_user(p_pool, v_passed_over, v_wait);
      else
        select s.user_id into v_user_id
        from queue.user_slots as s
        where s.user_id = p_caller.user_id
          and s.user_id <> all (v_passed_over)
        for no key update;
      end if;

      if v_user_id is not null then
        v_task_id := queue.lock_head_of_line(v_user_id, p_pool, p_caller.user_id is not null);
        if v_task_id is not null then
          return queue.start_task(v_task_id, p_worker_id, p_caller.token_id, p_claim_id);
        end if;
        raise sqlstate 'QU001' using message = 'this user has nothing for the caller now';
      end if;
    exception when sqlstate 'QU001' then
      v_passed_over := v_passed_over || v_user_id;
    end;

    if v_user_id is null then
      if not v_released and queue.release_due_tasks(p_pool, p_caller.user_id) > 0 then
        -- Their owners' locks are held now: look once more, but wait for nobody.
        v_released := true;
        v_wait := false;
        v_passed_over := '{}';
      elsif v_wait or v_released then
        return null;
      else
        v_wait := true;
      end if;
    end if;
  end loop;
end;
$$;

comment on function queue.take_next_task(queue.caller, text, text, text) is
  'Claims the next task for this caller and returns it; null when there is none.';

revoke all on function queue.take_next_task(queue.caller, text, text, text) from public, anon, authenticated, service_role;
