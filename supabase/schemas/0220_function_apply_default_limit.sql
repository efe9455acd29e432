-- The default limit for these users, as far as they have no limit of their own. Call it under the users' locks.
create function queue.apply_default_limit(p_user_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_changed uuid[];
begin
  with changed as (
    update queue.user_slots as s
    set (task_limit, cloud_reason, local_reason, orchestration_limit) = (
      select w.task_limit, w.cloud_reason, w.local_reason, w.orchestration_limit
      from queue.slots_of(u, s.running, s.orchestrating, s.remembered) as w
    )
    from public.users as u
    where s.user_id = any (p_user_ids)
      and u.id = s.user_id
      and (u.max_in_progress is null or u.max_orchestrating is null)
    returning s.user_id
  )
  select array_agg(c.user_id) into v_changed from changed as c;

  perform queue.refresh_lines(v_changed);
end;
$$;

comment on function queue.apply_default_limit(uuid[]) is
  'Gives those of these users who have no limit of their own the default one. Call it under the users'' locks.';

revoke all on function queue.apply_default_limit(uuid[]) from public, anon, authenticated, service_role;
