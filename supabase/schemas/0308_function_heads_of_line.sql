-- The tasks among which the next one of a user is chosen: the head of the line, and with an affinity the first of
-- orchestration, of the other tasks, of those of that model and of those that run on any.
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

comment on function queue.heads_of_line(uuid, text, text, queue.affinity) is
  'The head of a user''s line of this pool and run type, and with an affinity the heads of both kinds and the first of that model and of no model; orchestration, whatever its model, only where the owner has a place for it.';

revoke all on function queue.heads_of_line(uuid, text, text, queue.affinity) from public, anon, authenticated, service_role;
