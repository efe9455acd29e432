-- What each owner's starts take, counted from the tasks and from what others ended. That an orchestrator has handed over,
-- and that a holder has let go, cannot be derived.
create function queue.recount_slots(p_user_id uuid)
returns table (user_id uuid, running integer, orchestrating integer, remembered integer)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
begin
  return query
  select s.user_id, sum(s.running)::integer, sum(s.orchestrating)::integer, sum(s.remembered)::integer
  from (
    select
      t.user_id,
      t.takes_slot::integer as running,
      (not t.takes_slot and not queue.is_handed_over(t.id, t.lease_token))::integer as orchestrating,
      0 as remembered
    from public.tasks as t
    where t.standing = 'active'
      and t.user_id is not null
      and (p_user_id is null or t.user_id = p_user_id)
    union all
    select
      h.user_id,
      (h.let_go_at is null and h.takes_slot)::integer,
      (h.let_go_at is null and not h.takes_slot)::integer,
      (h.let_go_at is not null)::integer
    from queue.held_slots as h
    where p_user_id is null
      or h.user_id = p_user_id
  ) as s
  group by s.user_id;
end;
$$;

comment on function queue.recount_slots(uuid) is
  'What running, orchestrating and remembered of user_slots should be, for one user or for all (null); no row = nothing.';

revoke all on function queue.recount_slots(uuid) from public, anon, authenticated, service_role;
