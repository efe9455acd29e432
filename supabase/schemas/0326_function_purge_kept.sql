-- Deletes what is kept for a time only and that no claim ever looks at: logs, ended tokens, records of pg_cron, history,
-- of users who were deleted all of it, rows of workers that are gone.
create function queue.purge_kept(p_limit integer, p_dry_run boolean)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_settings queue.settings;
  v_logs bigint[];
  v_tokens uuid[];
  v_cron_runs bigint[];
  v_events bigint[];
  v_forgotten bigint[];
  v_workers text[];
begin
  select s.* into v_settings from queue.settings as s;

  v_logs := array(
    select l.id
    from public.system_logs as l
    where l."timestamp" < v_now - v_settings.log_retention
    order by l."timestamp"
    limit p_limit
    for update skip locked
  );

  v_tokens := array(
    select k.id
    from public.user_api_tokens as k
    where least(k.expires_at, k.revoked_at) < v_now - interval '30 days'
    limit p_limit
    for update skip locked
  );

  v_cron_runs := array(
    select r.runid
    from cron.job_run_details as r
    where coalesce(r.end_time, r.start_time) < v_now - interval '7 days'
    limit p_limit
    for update skip locked
  );

  -- Ids grow with time: only the oldest need to be looked at.
  v_events := array(
    select o.id
    from (select e.id, e.at from public.task_events as e order by e.id limit p_limit) as o
    where o.at < v_now - v_settings.event_retention
  );

  -- Gone for that long. One that still beats or claims, or whose children are under way, is looked at again.
  v_workers := array(
    select w.id
    from public.workers as w
    where w.status in ('terminated', 'error', 'crashed')
      and greatest(w.ended_at, w.last_heartbeat, w.created_at) < v_now - v_settings.worker_retention
      and not exists (
        select from queue.claim_refusals as r where r.worker_id = w.id and r.last_at >= v_now - v_settings.worker_retention
      )
      and not exists (
        select from public.tasks as t where t.worker_id = w.id and t.status = 'In Progress' and t.token_id is null
      )
    order by w.id
    limit p_limit
    for update skip locked
  );

  -- What is told of users who are gone.
  v_forgotten := array(
    select f.id
    from queue.deleted_users as d
      cross join lateral (select e.id from public.task_events as e where e.user_id = d.user_id limit p_limit) as f
    where d.deleted_at <= v_now - v_settings.deleted_user_retention
    limit p_limit
  );

  if not p_dry_run then
    delete from public.system_logs as l where l.id = any (v_logs);
    delete from public.user_api_tokens as k where k.id = any (v_tokens);
    delete from cron.job_run_details as r where r.runid = any (v_cron_runs);
    delete from public.task_events as e where e.id = any (v_events || v_forgotten);
    delete from queue.blocked_tasks as b
    using queue.deleted_users as d
    where b.user_id = d.user_id
      and d.deleted_at <= v_now - v_settings.deleted_user_retention;
    delete from queue.deleted_users as d
    where d.deleted_at <= v_now - v_settings.deleted_user_retention
      and not exists (select from public.task_events as e where e.user_id = d.user_id);
    delete from public.workers as w where w.id = any (v_workers);
    delete from queue.claim_refusals as r
    where r.worker_id = any (v_workers)
      or r.last_at < v_now - interval '7 days';
  end if;
  return jsonb_build_object(
    'logs', cardinality(v_logs), 'tokens', cardinality(v_tokens), 'cron_runs', cardinality(v_cron_runs),
    'events', cardinality(v_events || v_forgotten), 'workers', cardinality(v_workers)
  );
end;
$$;

comment on function queue.purge_kept(integer, boolean) is
  'Deletes up to p_limit each of logs, tokens, records of pg_cron, events and rows of ended workers that have been kept for long enough, and returns how many: {logs, tokens, cron_runs, events, workers}. A dry run only counts.';

revoke all on function queue.purge_kept(integer, boolean) from public, anon, authenticated, service_role;
