-- A claim request that was already answered gets the same answer: the reply was lost on the way. But a claim_id may also
-- be derived from something that stays, or kept over a restart: then the worker may have died of the task, each time, and
-- each answer would be as free as the one before. So it is free as often as starts are taken off (max_free_returns), and
-- only until the worker has named the task: then it has had the reply. Beyond that it is a start, and the end of the task
-- when that was its last (as queue.give_back_held_task).
create function queue.repeat_claim(p_caller queue.caller, p_worker_id text, p_pool text, p_claim_id text, p_now timestamptz)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '120ms' -- taken back when the function ends; what counts is the setting below
as $$
declare
  v_task public.tasks;
  v_locked public.tasks;
begin
  -- The same request twice at once: the second waits for the first.
  perform queue.wait_for_name(
    'queue.claim:' || p_worker_id || ':' || p_claim_id, pg_catalog.format('claim_id %s', p_claim_id)
  );

  select t.*
  into v_task
  from public.tasks as t
  where t.worker_id = p_worker_id
    and t.claim_id = p_claim_id
    and t.token_id is not distinct from p_caller.token_id;

  if v_task.status <> 'In Progress' then
    perform queue.refuse(
      409, 'CLAIM_ID_USED',
      pg_catalog.format('claim_id %s was already answered, with a task that has ended since', p_claim_id),
      'Use a new claim_id for a new claim'
    );
  elsif v_task.id is not null and not queue.is_served_by(p_caller, p_pool, v_task.pool, v_task.runs_on_own_gpu, v_task.run_type) then
    perform queue.refuse(
      409, 'CLAIM_ID_USED',
      pg_catalog.format('claim_id %s was already answered, with a task of the pool %s', p_claim_id, v_task.pool),
      'Use a new claim_id for a claim of another pool'
    );
  elsif queue.is_handed_over(v_task.id, v_task.lease_token) then
    perform queue.refuse(
      409, 'CLAIM_ID_USED',
      pg_catalog.format('claim_id %s was already answered, with an orchestrator that needs no worker any more', p_claim_id),
      'Use a new claim_id for a new claim'
    );
  elsif v_task.id is null then
    return null;
  end if;

  -- Whoever else holds it is not waited for: then this answer is not counted. Its owner is waited for only a moment, when
  -- it ends (queue.claim_with_care).
  perform set_config('lock_timeout', ceil(500 * extract(epoch from s.max_lock_wait)) || 'ms', true)
  from queue.settings as s;
  select t.*
  into v_locked
  from public.tasks as t
  where t.id = v_task.id
    and t.lease_token = v_task.lease_token
    and t.status = 'In Progress'
  for no key update skip locked;

  if v_locked.id is null then
    select t.*
    into v_task
    from public.tasks as t
    where t.id = v_task.id
      and t.worker_id = p_worker_id
      and t.claim_id = p_claim_id
      and t.status = 'In Progress';
    return v_task;
  end if;

  perform queue.say(queue.caller_name(p_caller));
  if v_locked.claim_repeats < (select s.max_free_returns from queue.settings as s)
    -- A request that was held up on its way comes late, but not as late as this.
    and (v_locked.delivered_at is null or v_locked.claimed_at > p_now - interval '1 minute') then
    update public.tasks as t
    set claim_repeats = t.claim_repeats + 1
    where t.id = v_locked.id
    returning t.* into v_task;
  else
    v_task := queue.start_again(v_locked, p_claim_id, p_now, 'repeated its claim again and again');
  end if;
  perform queue.say(null);
  return v_task;
end;
$$;

comment on function queue.repeat_claim(queue.caller, text, text, text, timestamptz) is
  'The running task that this claim request was answered with, as a new start where it was answered too often; null when the request is new, or that task has had its last start. 409 CLAIM_ID_USED when the task has ended, is of another pool or needs no worker any more. Raises 55P03 when somebody else''s transaction holds its owner.';

revoke all on function queue.repeat_claim(queue.caller, text, text, text, timestamptz) from public, anon, authenticated, service_role;
