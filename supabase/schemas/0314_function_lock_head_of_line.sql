-- The first task of a user's line that nobody else holds. Call it under the user's lock: what is ready and whether
-- the user has a free slot cannot change then, and is looked at again here.
create function queue.lock_head_of_line(p_user_id uuid, p_pool text, p_with_token boolean)
returns uuid
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_slots queue.user_slots;
  v_head record;
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
    -- One run type at a time, so that the index hands out the head without sorting the line.
    if p_with_token then
      select h.id, h.created_at, h.attempts, h.params
      into v_head
      from queue.heads_of_line(p_user_id, p_pool) as h
      limit 1;
    else
      select t.id, t.created_at, t.attempts, t.params
      into v_head
      from public.tasks as t
      where t.user_id = p_user_id
        and t.pool = p_pool
        and t.run_type = 'cloud'
        and t.standing = 'ready'
      order by t.priority desc, t.created_at, t.id
      limit 1
      for no key update skip locked;
    end if;

    if v_head.id is null or not queue.is_stale(v_head.created_at, v_head.attempts, v_head.params) then
      return v_head.id;
    end if;

    -- It has grown stale while it waited: set it aside and look at the next one.
    perform queue.ask_standing_again(array[v_head.id]);
  end loop;

  return null;
end;
$$;

comment on function queue.lock_head_of_line(uuid, text, boolean) is
  'Locks the next task of this user''s line in the pool and returns its id; null when the user may run none now. With a token, local tasks count too and the user''s onComputer switch decides.';

revoke all on function queue.lock_head_of_line(uuid, text, boolean) from public, anon, authenticated, service_role;
