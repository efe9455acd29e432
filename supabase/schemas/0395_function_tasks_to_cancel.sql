-- Queued tasks that will never run or that nobody waits for any more, and why: what the cleanup cancels.
create function queue.tasks_to_cancel(p_limit integer)
returns table (task_id uuid, created_at timestamptz, reason text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
  v_old_before timestamptz := queue.stale_before();
  v_found integer;
begin
  return query
  select t.id, t.created_at, r.reason
  from public.tasks as t
    cross join lateral (select queue.reason_to_cancel(t) as reason) as r
  where t.standing in ('no_owner', 'no_run_type', 'type_inactive', 'stale')
    and t.created_at < v_old_before
    and r.reason is not null
  order by t.created_at
  limit p_limit;
  get diagnostics v_found = row_count;

  -- The index knows both kinds by age alone: not past all of the first for a few of the second. They come next time.
  if v_found = p_limit then
    return;
  end if;
  return query
  select t.id, t.created_at, r.reason
  from public.tasks as t
    cross join lateral (select queue.reason_to_cancel(t) as reason) as r
  where t.standing = 'dependency_lost'
    and r.reason is not null
  order by t.created_at
  limit p_limit;
end;
$$;

comment on function queue.tasks_to_cancel(integer) is
  'Up to p_limit tasks that the cleanup would cancel because they were never started and are too old; if those are fewer, also up to p_limit that wait for what cannot come. Each with the reason (queue.reason_to_cancel).';

revoke all on function queue.tasks_to_cancel(integer) from public, anon, authenticated, service_role;
