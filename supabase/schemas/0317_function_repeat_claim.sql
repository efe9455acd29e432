-- A claim request that was already answered gets the same answer: the reply was lost on the way.
create function queue.repeat_claim(p_caller queue.caller, p_worker_id text, p_pool text, p_claim_id text)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
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
  elsif v_task.pool <> p_pool then
    perform queue.refuse(
      409, 'CLAIM_ID_USED',
      pg_catalog.format('claim_id %s was already answered, with a task of the pool %s', p_claim_id, v_task.pool),
      'Use a new claim_id for a claim of another pool'
    );
  end if;
  return v_task;
end;
$$;

comment on function queue.repeat_claim(queue.caller, text, text, text) is
  'The running task that this claim request was answered with, or null when it is new; 409 CLAIM_ID_USED when that task has ended or is of another pool.';

revoke all on function queue.repeat_claim(queue.caller, text, text, text) from public, anon, authenticated, service_role;
