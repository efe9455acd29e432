-- Every claim that is not plain (queue.claim_next_task): with a token, a claim_id, a model, work already held, tasks
-- that have just become due, users whom others are serving. One step at a time, each looked at under its lock.
create function queue.claim_with_care(
  p_caller jsonb,
  p_worker_id text,
  p_run_type text,
  p_claim_id text,
  p_same_model_only boolean,
  p_max_task_wait_minutes numeric,
  p_dry_run boolean
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token']);
  v_pool text := coalesce(p_run_type, 'gpu');
  v_holder text;
  v_now timestamptz := queue.now();
  v_affinity queue.affinity;
  v_task public.tasks;
  v_has_worked boolean := false;
begin
  if coalesce(p_worker_id, '') = '' then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'A claim names its worker, worker_id is empty', 'Send a worker_id');
  elsif length(p_worker_id) > 255 or length(p_claim_id) > 255 then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The worker_id and the claim_id must have at most 255 characters');
  end if;
  perform queue.refuse_unknown_pool(v_pool);

  v_holder := queue.holder_name(v_caller, p_worker_id);

  -- The workers table is the fleet's: API workers are not in it, and a user's machine may choose any id.
  if v_caller.kind = 'service' and exists (select from public.workers as w where w.id = p_worker_id) then
    v_affinity := queue.affinity_of(p_worker_id, p_same_model_only, p_max_task_wait_minutes);
  end if;

  if p_dry_run then
    return queue.preview_claim(v_caller, v_pool);
  end if;

  begin
    if p_claim_id is not null then
      v_task := queue.repeat_claim(v_caller, v_holder, v_pool, p_claim_id, v_now);
      if v_task.id is not null then
        return queue.claim_reply(v_task);
      end if;
    end if;
    v_task := queue.give_back_held_task(v_caller, v_holder, v_pool, p_claim_id, v_now);
  exception when lock_not_available then
    -- What the worker holds is being changed: neither that task nor another one is to be had before it is known how.
    perform queue.say_passed_over(1);
    return null;
  end;
  -- What a worker holds it gets back, but a pool that is paused gives out nothing new.
  while v_task.id is null and not exists (select from queue.settings as s where v_pool = any (s.paused_pools)) loop
    if v_caller.kind = 'token' then
      v_task := queue.take_own_task(v_caller, v_holder, v_pool, p_claim_id, v_affinity, v_now);
    else
      v_task := queue.take_next_task(v_caller, v_holder, v_pool, p_claim_id, v_affinity, v_now);
    end if;
    -- Once more if this claim has done work that the queue was behind with: there may be a task now.
    exit when v_task.id is null and (v_has_worked or queue.work_while_idle() = 0);
    v_has_worked := true;
  end loop;

  -- A worker that said goodbye or crashed and claims has come back; else the next rescue would take what it gets here.
  -- Its row is not waited for: a beat that holds it says the same.
  if v_caller.kind = 'service' and exists (
    select from public.workers as w where w.id = p_worker_id and (w.goodbye_at is not null or w.status = 'crashed')
  ) then
    update public.workers as w
    set status = 'active', metadata = queue.metadata_after_return(w)
    from (
      select x.id
      from public.workers as x
      where x.id = p_worker_id
        and (x.goodbye_at is not null or x.status = 'crashed')
      for no key update skip locked
    ) as held
    where w.id = held.id;
  end if;

  return case when v_task.id is not null then queue.claim_reply(v_task) end;
end;
$$;

comment on function queue.claim_with_care(jsonb, text, text, text, boolean, numeric, boolean) is
  'The claim in all its cases; arguments and answer are those of public.claim_next_task.';

revoke all on function queue.claim_with_care(jsonb, text, text, text, boolean, numeric, boolean) from public, anon, authenticated, service_role;
