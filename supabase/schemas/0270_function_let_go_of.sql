-- What a holder still held is let go of: by the task that it reports on, or by itself when it claims again or ends.
create function queue.let_go_of(p_worker_id text, p_token_id uuid, p_pool text, p_task_id uuid)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_held_id bigint;
  v_count integer := 0;
begin
  for v_held_id in
    select h.id
    from queue.held_slots as h
    where h.let_go_at is null
      and h.token_id is not distinct from p_token_id
      and (p_task_id is null or h.task_id = p_task_id)
      and (p_worker_id is null or h.worker_id = p_worker_id)
      and (
        p_pool is null or h.pool = p_pool
        -- What a token's machine ran of another pool (queue.is_served_by).
        or (p_pool = 'gpu' and h.token_id is not null and (select t.runs_on_own_gpu from public.tasks as t where t.id = h.task_id))
      )
    order by h.user_id, h.id
  loop
    v_count := v_count + queue.let_go(v_held_id, queue.now())::integer;
  end loop;
  return v_count;
end;
$$;

comment on function queue.let_go_of(text, uuid, text, uuid) is
  'Frees the slots still held by this worker (null = whoever has this token, null = the service key) in this pool and of this task (null = any); returns how many.';

revoke all on function queue.let_go_of(text, uuid, text, uuid) from public, anon, authenticated, service_role;
