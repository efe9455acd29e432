-- What a claim would find, without taking it or locking anything.
create function queue.preview_claim(p_caller queue.caller, p_pool text)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_load queue.load_summary := queue.load_summary(p_caller, p_pool);
  v_turns queue.user_load_row[] := array(select u from queue.users_in_turn(p_caller, p_pool, v_load, 5) as u);
  v_task public.tasks;
begin
  -- By its key: joined, a plan from when the queue was small would go through all tasks.
  select t.*
  into v_task
  from public.tasks as t
  where t.id = (
    -- The first that can be handed out; a claim would end the others on its way.
    select n.task_id
    from queue.next_tasks(p_caller, p_pool, 5, v_turns) with ordinality as n (task_id, task_type, user_id, created_at, since, place)
    where (
      select queue.fits_a_reply(k.has_bounded_params, k.params)
      from public.tasks as k
      where k.id = n.task_id
    )
    order by n.place
    limit 1
  );

  v_task.params := queue.without_secrets(v_task.params);
  return json_build_object(
    'dry_run', true,
    'available_tasks', v_load.claimable,
    'task', case when v_task.id is not null then queue.claim_reply(v_task)::jsonb - 'lease_token' end
  );
end;
$$;

comment on function queue.preview_claim(queue.caller, text) is
  'What a claim by this caller in this pool would find: {"dry_run":true,"available_tasks":n,"task":{…}|null}. Changes nothing.';

revoke all on function queue.preview_claim(queue.caller, text) from public, anon, authenticated, service_role;
