-- Which owner a claim serves: the first in turn who is free and has something for this worker.

-- Locks the user whose turn it is for a worker with a model, and returns the id. With is_required it is, of the next 20
-- in turn, the first who has something that suits (queue.suits); when none of them has, whose turn it is: no worker
-- stands idle while something is claimable. Null when there is none that is free.
create function queue.lock_user_with_affinity(p_pool text, p_passed_over uuid[], p_affinity queue.affinity)
returns uuid
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  -- So many lines are looked into. A claim must not become dearer with each user who has work.
  v_look_at constant integer := 20;
  v_user_id uuid;
begin
  if p_affinity.is_required then
    select s.user_id
    into v_user_id
    from (
      select l as line, l.user_id, l.turn_load, l.turn_at
      from queue.user_lines as l
      where l.pool = p_pool
        and l.is_open
        and l.user_id <> all (p_passed_over)
      order by l.turn_load, l.turn_at
      limit v_look_at
    ) as n
      join queue.user_slots as s on s.user_id = n.user_id
    where queue.suits(n.line, p_affinity)
    order by n.turn_load, n.turn_at
    limit 1
    for no key update of s skip locked;
    if v_user_id is not null then
      return v_user_id;
    end if;
  end if;

  return (
    select s.user_id
    from queue.user_lines as l
      join queue.user_slots as s on s.user_id = l.user_id
    where l.pool = p_pool
      and l.is_open
      and l.user_id <> all (p_passed_over)
    order by l.turn_load, l.turn_at
    limit 1
    for no key update of s skip locked
  );
end;
$$;

-- Whether a user's line holds something that a worker with a model would rather run than change its model for another:
-- asked of line after line, so only single steps into an index.
-- Whether an open line holds orchestration with a place, a task of the affinity's model or of no model, or at its head
-- one that has waited too long.
create function queue.suits(p_line queue.user_lines, p_affinity queue.affinity)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  -- Orchestration loads no model.
  if p_line.ready_cloud_orchestration > 0 and p_line.orchestration_room > 0 then
    return true;
  end if;

  return exists (
    select
    from public.tasks as t
    where t.user_id = p_line.user_id
      and t.pool = p_line.pool
      and t.run_type = 'cloud'
      and t.model = p_affinity.model
      and t.takes_slot
      and t.standing = 'ready'
  ) or exists (
    select
    from public.tasks as t
    where t.user_id = p_line.user_id
      and t.pool = p_line.pool
      and t.run_type = 'cloud'
      and t.model is null
      and t.takes_slot
      and t.standing = 'ready'
  ) or (
    select t.created_at < p_affinity.waited_since
    from public.tasks as t
    where t.user_id = p_line.user_id
      and t.pool = p_line.pool
      and t.run_type = 'cloud'
      and t.takes_slot
      and t.standing = 'ready'
    order by t.priority desc, t.created_at, t.id
    limit 1
  ) is true;
end;
$$;

-- The tasks among which the next one of a user is chosen: the head of the line of this pool and run type, and with an
-- affinity the heads of both kinds and the first of that model and of no model; orchestration, whatever its model, only
-- where the owner has a place for it.
create function queue.heads_of_line(p_user_id uuid, p_pool text, p_run_type text, p_affinity queue.affinity)
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  -- Orchestration only where its owner has a place for it; else the line goes on behind it.
  v_kinds boolean[] := (
    select case when s.orchestrating < s.orchestration_limit then array[true, false] else array[true] end
    from queue.user_slots as s
    where s.user_id = p_user_id
  );
begin
  -- Each look is one step into an index that is already in claim order.
  return query
  select h.*
  from unnest(v_kinds) as kind (takes_slot)
    cross join lateral (
      select t.*
      from public.tasks as t
      where t.user_id = p_user_id
        and t.pool = p_pool
        and t.run_type = p_run_type
        and t.takes_slot = kind.takes_slot
        and t.standing = 'ready'
      order by t.priority desc, t.created_at, t.id
      limit 1
    ) as h
  order by h.priority desc, h.created_at, h.id
  limit case when p_affinity.model is null then 1 end;

  if p_affinity.model is not null then
    return query
    select t.*
    from public.tasks as t
    where t.user_id = p_user_id
      and t.pool = p_pool
      and t.run_type = p_run_type
      and t.takes_slot
      and t.standing = 'ready'
      and t.model = p_affinity.model
    order by t.priority desc, t.created_at, t.id
    limit 1;

    return query
    select t.*
    from public.tasks as t
    where t.user_id = p_user_id
      and t.pool = p_pool
      and t.run_type = p_run_type
      and t.takes_slot
      and t.standing = 'ready'
      and t.model is null
    order by t.priority desc, t.created_at, t.id
    limit 1;
  end if;
end;
$$;

-- The second look of a claim: every user with work is just being served by somebody else, so wait for the one whose
-- turn it is in the pool. That user (null when there is none), and whether the lock could be had
-- (queue.wait_for_owner).
create function queue.wait_for_open_user(
  p_pool text,
  p_passed_over uuid[],
  out user_id uuid,
  out is_locked boolean
)
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  -- Whoever sorts on reads all lines; the first of the index is all that is needed, as in the look before.
  select l.user_id
  into wait_for_open_user.user_id
  from queue.user_lines as l
  where l.pool = p_pool
    and l.is_open
    and l.user_id <> all (p_passed_over)
  order by l.turn_load, l.turn_at
  limit 1;

  is_locked := wait_for_open_user.user_id is not null and queue.wait_for_owner(wait_for_open_user.user_id);
end;
$$;

-- Locks an owner's slots; false when it did not get them. A transaction that is left open is not waited for: somebody
-- who waits there waits for its client. So the wait for one that holds them is short (queue.settings.max_lock_wait),
-- and begins again only while the holders change, as claims do that follow each other.
create function queue.wait_for_owner(p_user_id uuid)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '120ms' -- taken back when the function ends; what counts is the setting below
as $$
declare
  v_started_at timestamptz := clock_timestamp();
  v_max_wait interval := (select s.max_lock_wait from queue.settings as s);
  v_holder text;
  v_next_holder text;
begin
  -- To get a row one waits twice: in line behind others who wait, then for the holder.
  perform set_config('lock_timeout', ceil(500 * extract(epoch from v_max_wait)) || 'ms', true);
  loop
    select s.xmin::text || ' ' || s.xmax::text into v_holder from queue.user_slots as s where s.user_id = p_user_id;
    begin
      perform from queue.user_slots as s where s.user_id = p_user_id for no key update;
      return found;
    exception when lock_not_available then
      select s.xmin::text || ' ' || s.xmax::text into v_next_holder from queue.user_slots as s where s.user_id = p_user_id;
    end;
    if v_next_holder is distinct from v_holder then
      -- Somebody got it. Nobody comes last for ever, and no caller is kept for ever.
      exit when clock_timestamp() > v_started_at + 20 * v_max_wait;
    else
      -- Half of the time is left when nobody else was in line.
      exit when clock_timestamp() > v_started_at + 0.6 * v_max_wait;
    end if;
  end loop;
  return false;
end;
$$;

-- How many owners with something for a claim that found nothing it could not look at, because another transaction holds
-- them: lines that are open, and work that has become due. p_passed_over: those in whose lines it found nothing.
create function queue.owners_held(p_pool text, p_passed_over uuid[])
returns integer
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select count(*)
    from (
      select l.user_id
      from queue.user_lines as l
      where l.pool = p_pool
        and l.is_open
        and l.user_id <> all (p_passed_over)
      union
      select t.user_id
      from public.tasks as t
        join queue.user_slots as s on s.user_id = t.user_id
      where t.standing = 'not_yet'
        and t.available_at <= queue.now()
        and t.pool = p_pool
        and t.run_type = 'cloud'
        and s.cloud_reason is null
    ) as o
  );
end;
$$;
