-- Tasks like those of queue.own_gpu_line that have become due and are not released yet, the longest due first.
create function queue.own_gpu_due(p_caller queue.caller, p_pool text, p_limit integer)
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- under no statistics may it be as good to sort all that waits as to take it from the index in order
as $$
begin
  if p_pool = 'gpu' and p_caller.user_id is not null then
    return query
    select t.*
    from public.tasks as t
    where t.user_id = p_caller.user_id
      and t.standing = 'not_yet'
      and t.runs_on_own_gpu
      and t.available_at <= queue.now()
      and (p_caller.kind = 'token' or t.run_type = 'local')
    order by t.available_at
    limit p_limit;
  end if;
end;
$$;

comment on function queue.own_gpu_due(queue.caller, text, integer) is
  'Up to p_limit tasks like those of queue.own_gpu_line whose available_at has come and whose standing does not say so yet.';

revoke all on function queue.own_gpu_due(queue.caller, text, integer) from public, anon, authenticated, service_role;
