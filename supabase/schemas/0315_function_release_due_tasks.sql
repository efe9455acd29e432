-- Tasks whose available_at has come, of users who could run one now: nothing tells the queue that time has passed, so
-- a claim that finds nothing else looks for them.
create function queue.release_due_tasks(p_pool text, p_user_id uuid)
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
      and case
        when p_user_id is null then t.run_type = 'cloud' and queue.user_reason(s) is null
        else t.user_id = p_user_id and s.local_on and s.running < s.task_limit
      end
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

comment on function queue.release_due_tasks(text, uuid) is
  'Makes up to 100 tasks ready whose available_at has come and whose owner could run one now (for a token: the owner''s own); returns how many.';

revoke all on function queue.release_due_tasks(text, uuid) from public, anon, authenticated, service_role;
