-- What a claim or count for gpu comes to beside the pool itself (queue.is_served_by): the owner's ready tasks of types that
-- GPU machines run, too. Each line comes from the index that holds nothing else, in the order of claims.
create function queue.own_gpu_line(p_caller queue.caller, p_pool text, p_limit integer, p_is_paused boolean default false)
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- under no statistics may it be as good to sort a line as to take it from the index in order
as $$
begin
  if p_pool = 'gpu' and p_caller.user_id is not null then
    return query
    select h.*
    from unnest(queue.pools()) as p (pool)
      cross join unnest(case p_caller.kind when 'token' then array['cloud', 'local'] else array['local'] end) as y (run_type)
      cross join lateral (
        select t.*
        from public.tasks as t
        where t.user_id = p_caller.user_id
          and t.pool = p.pool
          and t.standing = 'ready'
          and t.run_type = y.run_type
          and t.runs_on_own_gpu
        order by t.priority desc, t.created_at, t.id
        limit p_limit
      ) as h
    where p.pool <> 'gpu'
      and (p.pool = any ((select s.paused_pools from queue.settings as s)::text[])) = p_is_paused;
  end if;
end;
$$;

comment on function queue.own_gpu_line(queue.caller, text, integer, boolean) is
  'Ready tasks of other pools that this caller''s claims or counts for gpu are about, per pool and run type the first p_limit of the line; of pools that are paused with p_is_paused. None for any other pool or caller.';

revoke all on function queue.own_gpu_line(queue.caller, text, integer, boolean) from public, anon, authenticated, service_role;
