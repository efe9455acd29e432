-- What: a claim with a token, too, does the work of a rescue that is late; one that fails at it is answered all the same.
-- Why: where only users' own machines claim, work stayed lost while pg_cron stood still.
-- Back out: apply both functions of 20261123201100_operations.sql again.

set lock_timeout = '900ms';

-- The job that takes work back may itself be dead. Then a claim that finds nothing does its work, at most once in two of
-- its periods. While the job runs, this only reads one row.
create or replace function queue.rescue_when_late()
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
begin
  if not exists (
    select
    from queue.job_runs as r
    where r.job = 'rescue'
      and greatest(r.scheduled_at, r.ran_at, r.stood_in_at) < v_now - 2 * r.period
  ) or not pg_try_advisory_xact_lock(hashtextextended('queue.rescue_when_late', 0)) then
    return 0;
  end if;

  -- Another claim may have been here since this statement's snapshot was taken.
  update queue.job_runs as r
  set stood_in_at = v_now
  where r.job = 'rescue'
    and greatest(r.scheduled_at, r.ran_at, r.stood_in_at) < v_now - 2 * r.period;
  if not found then
    return 0;
  end if;

  begin
    return coalesce((queue.rescue() ->> 'put_back')::integer, 0);
  exception when others then
    -- A claim must not fail because the rescue does; health tells.
    perform queue.record_run('rescue', v_now, jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate));
    return 0;
  end;
end;
$$;

comment on function queue.rescue_when_late() is
  'Does the work of the job rescue when that has not run for two periods, and returns how many tasks it put back; else, or when that fails (which is recorded), 0.';

revoke all on function queue.rescue_when_late() from public, anon, authenticated, service_role;

-- Every claim that is not plain (queue.claim_next_task): with a token, a claim_id, a model, work already held, tasks
-- that have just become due, users whom others are serving. One step at a time, each looked at under its lock.
create or replace function queue.claim_with_care(
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
  v_now timestamptz := queue.now();
  v_affinity queue.affinity;
  v_task public.tasks;
begin
  if coalesce(p_worker_id, '') = '' then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'A claim names its worker, worker_id is empty', 'Send a worker_id');
  elsif v_pool not in ('gpu', 'api') then
    perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The run_type must be gpu or api, not %s', v_pool));
  end if;

  -- The workers table is the fleet's: API workers are not in it, and a user's machine may choose any id.
  if v_caller.kind = 'service' and exists (select from public.workers as w where w.id = p_worker_id) then
    v_affinity := queue.affinity_of(p_worker_id, p_same_model_only, p_max_task_wait_minutes);
  end if;

  if p_dry_run then
    return queue.preview_claim(v_caller, v_pool);
  end if;

  if p_claim_id is not null then
    v_task := queue.repeat_claim(v_caller, p_worker_id, p_claim_id);
    if v_task.id is not null then
      return queue.claim_reply(v_task);
    end if;
  end if;

  v_task := queue.give_back_held_task(v_caller, p_worker_id, v_pool, p_claim_id, v_now);
  while v_task.id is null loop
    if v_caller.kind = 'token' then
      v_task := queue.take_own_task(v_caller, p_worker_id, v_pool, p_claim_id, v_affinity, v_now);
    else
      v_task := queue.take_next_task(v_caller, p_worker_id, v_pool, p_claim_id, v_affinity, v_now);
    end if;
    -- Once more if the job that puts work back is late and this claim has done its work.
    exit when v_task.id is null and queue.rescue_when_late() = 0;
  end loop;

  return case when v_task.id is not null then queue.claim_reply(v_task) end;
end;
$$;

comment on function queue.claim_with_care(jsonb, text, text, text, boolean, numeric, boolean) is
  'The claim in all its cases; arguments and answer are those of public.claim_next_task.';

revoke all on function queue.claim_with_care(jsonb, text, text, text, boolean, numeric, boolean) from public, anon, authenticated, service_role;
