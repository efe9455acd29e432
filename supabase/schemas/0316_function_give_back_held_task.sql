-- A worker that claims although it holds all it may, or was handed an orchestration task and has never named it. Either it
-- never heard of the task (the reply was lost: the same attempt under a new lease) or it died and came back under its name
-- (a new start, and the end of the task when that was its last). Which of the two it is nobody knows of a task that kills
-- its worker before the first report: as often as starts are taken off again (max_free_returns) its reply is taken for
-- lost, then each is a start.
create function queue.give_back_held_task(
  p_caller queue.caller, p_worker_id text, p_pool text, p_claim_id text, p_now timestamptz
)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '120ms' -- taken back when the function ends; what counts is the setting below
as $$
declare
  v_limit integer;
  v_held_count integer;
  v_held_id uuid;
  v_lost_id uuid;
  v_held public.tasks;
begin
  select case p_pool when 'gpu' then s.gpu_tasks_per_worker else s.api_tasks_per_worker end
  into v_limit
  from queue.settings as s
  where queue.sent_name(p_worker_id) <> all (s.shared_worker_ids);

  if v_limit is null then
    return null;
  end if;

  -- Two claims at once under one name: the second waits here and then sees what the first got.
  perform queue.wait_for_name(
    'queue.holder::' || p_worker_id, pg_catalog.format('Another claim of worker %s', queue.sent_name(p_worker_id))
  );

  select count(*), (array_agg(t.id order by t.claimed_at))[1]
  into v_held_count, v_held_id
  from public.tasks as t
  where t.worker_id = p_worker_id
    and t.status = 'In Progress'
    and t.token_id is not distinct from p_caller.token_id
    and queue.is_served_by(p_caller, p_pool, t.pool, t.runs_on_own_gpu, t.run_type)
    and t.takes_slot;

  -- A worker that runs one task at a time and asks for another has let go of what others ended under it, and orchestrates
  -- nothing any more. But of an orchestration task that it was handed last it may never have heard.
  if v_limit = 1 then
    if v_held_count = 0 then
      v_lost_id := queue.lost_orchestration(p_worker_id, p_caller.token_id, p_pool);
    end if;
    perform queue.let_go_of(p_worker_id, p_caller.token_id, p_pool, null);
    perform queue.leave_orchestration(p_worker_id, p_caller.token_id, p_pool, v_lost_id);
  end if;

  if v_held_count < v_limit and v_lost_id is null then
    return null;
  end if;

  -- It may be ending just now; then the worker holds it no more. Whoever leaves it locked is not waited for, nor is its
  -- owner (queue.claim_with_care).
  perform set_config('lock_timeout', ceil(500 * extract(epoch from s.max_lock_wait)) || 'ms', true)
  from queue.settings as s;
  select t.*
  into v_held
  from public.tasks as t
  where t.id = coalesce(v_lost_id, v_held_id)
    and t.status = 'In Progress'
    and t.worker_id = p_worker_id
  for no key update;

  if v_held.id is null then
    return null;
  elsif v_lost_id is not null
    and queue.lost_orchestration(p_worker_id, p_caller.token_id, p_pool) is distinct from v_lost_id then
    -- A word of it came meanwhile.
    perform queue.leave_orchestration(p_worker_id, p_caller.token_id, p_pool);
    return null;
  end if;

  perform queue.say(queue.caller_name(p_caller));
  if v_held.delivered_at is null and v_held.free_returns < (select s.max_free_returns from queue.settings as s) then
    update public.tasks as t
    set lease_token = gen_random_uuid(), claim_id = p_claim_id, claimed_at = p_now, free_returns = t.free_returns + 1
    where t.id = v_held.id
    returning t.* into v_held;
  else
    v_held := queue.start_again(v_held, p_claim_id, p_now, 'claimed again');
  end if;
  perform queue.say(null);
  return v_held;
end;
$$;

comment on function queue.give_back_held_task(queue.caller, text, text, text, timestamptz) is
  'The task that a worker at its own limit already holds, or the orchestration task of which nothing was heard since it was handed out, handed out again; null when it may take another one. Raises 55P03 when somebody else''s transaction holds that task or its owner.';

revoke all on function queue.give_back_held_task(queue.caller, text, text, text, timestamptz) from public, anon, authenticated, service_role;
