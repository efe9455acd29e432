-- What a claim would find, without taking it or locking anything.
create function queue.preview_claim(p_caller queue.caller, p_pool text)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_user_id uuid := p_caller.user_id;
  v_task public.tasks;
begin
  if v_user_id is null then
    select l.user_id
    into v_user_id
    from queue.user_lines as l
    where l.pool = p_pool
      and l.is_open
    order by l.running, l.turn_at
    limit 1;
  end if;

  select t.*
  into v_task
  from public.tasks as t
    join queue.user_slots as s on s.user_id = t.user_id
  where t.user_id = v_user_id
    and t.pool = p_pool
    and t.standing = 'ready'
    and (t.run_type = 'cloud' or p_caller.user_id is not null)
    and (p_caller.user_id is null or (s.local_on and s.running < s.task_limit))
    and not queue.is_stale(t.created_at, t.attempts, t.params)
  order by t.priority desc, t.created_at, t.id
  limit 1;

  return json_build_object(
    'dry_run', true,
    'available_tasks', queue.claimable_count(p_caller, p_pool),
    'task', case when v_task.id is not null then queue.claim_reply(v_task) end
  );
end;
$$;

comment on function queue.preview_claim(queue.caller, text) is
  'What a claim by this caller in this pool would find: {"dry_run":true,"available_tasks":n,"task":{…}|null}. Changes nothing.';

revoke all on function queue.preview_claim(queue.caller, text) from public, anon, authenticated, service_role;
