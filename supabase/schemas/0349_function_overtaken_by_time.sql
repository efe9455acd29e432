-- Queued tasks whose stored standing is out of date because time has passed and nothing else: due now, or grown stale.
-- Claims and the sweep put them right; who only reads takes them into account with this.
create function queue.overtaken_by_time()
returns table (user_id uuid, pool text, is_cloud boolean, takes_slot boolean, stood text, stands text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
  v_now timestamptz := queue.now();
  v_stale_before timestamptz := v_now - (select s.stale_after from queue.settings as s);
begin
  return query
  select t.user_id, t.pool, t.run_type = 'cloud', t.takes_slot, t.standing, queue.task_standing(t)
  from public.tasks as t
  where t.standing = 'not_yet'
    and t.available_at <= v_now;

  return query
  select t.user_id, t.pool, t.run_type = 'cloud', t.takes_slot, t.standing, 'stale'
  from public.tasks as t
  where t.standing = 'ready'
    and t.attempts = 0
    and t.created_at < v_stale_before
    and queue.is_stale(t.created_at, t.attempts, t.params);
end;
$$;

comment on function queue.overtaken_by_time() is
  'Queued tasks whose standing only time has changed: where they stood when last written, where they stand now.';

revoke all on function queue.overtaken_by_time() from public, anon, authenticated, service_role;
