-- Tasks whose available_at has come, of users who could run one now.
create function queue.release_due_tasks(p_pool text, p_caller queue.caller)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_due uuid[];
begin
  select array_agg(d.id)
  into v_due
  from (
    select t.id
    from public.tasks as t
      join queue.user_slots as s on s.user_id = t.user_id
    where t.standing = 'not_yet'
      and t.available_at <= queue.now()
      and t.pool = p_pool
      and (p_caller.user_id is not null or t.run_type = 'cloud')
      and (p_caller.user_id is null or t.user_id = p_caller.user_id)
      and case when p_caller.user_id is null then s.cloud_reason else s.local_reason end is null
    order by t.available_at
    limit 100
    for no key update of t skip locked
  ) as d;

  if v_due is not null then
    perform queue.ask_standing_again(v_due);
  end if;
  return coalesce(cardinality(v_due), 0);
end;
$$;

comment on function queue.release_due_tasks(text, queue.caller) is
  'Makes up to 100 tasks ready whose available_at has come and whose owner could run one now (for a token: the owner''s own); returns how many.';

revoke all on function queue.release_due_tasks(text, queue.caller) from public, anon, authenticated, service_role;
