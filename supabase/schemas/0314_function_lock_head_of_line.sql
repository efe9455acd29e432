-- The task of a user that should run next, locked. Call it under the user's lock: what is ready and whether the user has
-- a free slot cannot change then, and is looked at again here.
create function queue.lock_head_of_line(p_user_id uuid, p_pool text, p_with_token boolean, p_affinity queue.affinity)
returns uuid
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_slots queue.user_slots;
  v_head record;
  v_locked_id uuid;
begin
  select s.* into v_slots from queue.user_slots as s where s.user_id = p_user_id;

  if p_with_token then
    if not v_slots.local_on or v_slots.running >= v_slots.task_limit then
      return null;
    end if;
  elsif queue.user_reason(v_slots) is not null then
    return null;
  end if;

  loop
    select h.id, h.created_at, h.attempts, h.params
    into v_head
    from (
      select c.* from queue.heads_of_line(p_user_id, p_pool, 'cloud', p_affinity) as c
      union all
      select l.* from queue.heads_of_line(p_user_id, p_pool, 'local', p_affinity) as l where p_with_token
    ) as h
    where p_affinity.model is null
      or not p_affinity.is_required
      or h.model = p_affinity.model
      or h.model is null
      or h.created_at < p_affinity.waited_since
    order by
      -- Who has waited too long goes first, then what suits the caller, then the order of the line.
      h.created_at < p_affinity.waited_since desc nulls last,
      h.model <> p_affinity.model nulls first,
      h.priority desc, h.created_at, h.id
    limit 1;

    if v_head.id is null then
      return null;
    elsif queue.is_stale(v_head.created_at, v_head.attempts, v_head.params) then
      -- It has grown stale while it waited: set it aside and look at the next one.
      perform queue.ask_standing_again(array[v_head.id]);
      continue;
    end if;

    select t.id
    into v_locked_id
    from public.tasks as t
    where t.id = v_head.id
      and t.standing = 'ready'
    for no key update skip locked;

    -- Somebody is just changing that very task: take the first one that is free.
    if v_locked_id is null then
      select t.id
      into v_locked_id
      from public.tasks as t
      where t.user_id = p_user_id
        and t.pool = p_pool
        and t.run_type = 'cloud'
        and t.standing = 'ready'
        and (p_affinity.model is null or not p_affinity.is_required or t.model is null or t.model = p_affinity.model)
        and not queue.is_stale(t.created_at, t.attempts, t.params)
      order by t.priority desc, t.created_at, t.id
      limit 1
      for no key update skip locked;
    end if;
    return v_locked_id;
  end loop;
end;
$$;

comment on function queue.lock_head_of_line(uuid, text, boolean, queue.affinity) is
  'Locks the next task of this user''s line in the pool and returns its id; null when the user may run none now. With a token, local tasks count too and the user''s onComputer switch decides.';

revoke all on function queue.lock_head_of_line(uuid, text, boolean, queue.affinity) from public, anon, authenticated, service_role;
