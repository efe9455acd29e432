-- Deletes what is kept for a time only: logs, tokens that have ended, and, when the settings say so, history and finished
-- tasks. A batch of each per run; rows that somebody holds are left for the next.
create function queue.purge(p_limit integer default 5000, p_dry_run boolean default false)
returns json
language plpgsql
volatile
security definer -- deletes for pg_cron and the operator
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_settings queue.settings;
  v_logs bigint[];
  v_tokens uuid[];
  v_events bigint[];
  v_tasks uuid[];
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

  -- Ids grow with time: only the oldest need to be looked at.
  v_events := array(
    select o.id
    from (select e.id, e.at from public.task_events as e order by e.id limit p_limit) as o
    where o.at < v_now - v_settings.event_retention
  );

  v_tasks := array(
    select t.id
    from public.tasks as t
    where v_settings.finished_task_retention is not null
      and t.status in ('Complete', 'Failed', 'Cancelled')
      and coalesce(t.updated_at, t.created_at) < v_now - v_settings.finished_task_retention
      -- What a live task waits for, or a live parent counts, is still needed.
      and not exists (
        select
        from queue.task_dependencies as d
          join public.tasks as x on x.id = d.task_id
        where d.depends_on = t.id
          and x.status in ('Queued', 'In Progress')
      )
      and not exists (
        select
        from public.tasks as p
        where p.id = queue.parent_task_id(t.params)
          and p.status in ('Queued', 'In Progress')
      )
    limit p_limit
    for update skip locked
  );

  if not p_dry_run then
    delete from public.system_logs as l where l.id = any (v_logs);
    delete from public.user_api_tokens as k where k.id = any (v_tokens);
    delete from public.task_events as e where e.id = any (v_events);
    perform queue.say('queue.purge');
    delete from public.tasks as t where t.id = any (v_tasks);
    perform queue.say(null);
  end if;

  return json_build_object(
    'logs', cardinality(v_logs), 'tokens', cardinality(v_tokens), 'events', cardinality(v_events),
    'tasks', cardinality(v_tasks), 'dry_run', p_dry_run
  );
end;
$$;

comment on function queue.purge(integer, boolean) is
  'Deletes up to p_limit each of: logs older than log_retention, tokens that ended 30 days ago, history older than event_retention, finished tasks older than finished_task_retention (both off while null). Returns {logs, tokens, events, tasks, dry_run}; a dry run only counts.';

revoke all on function queue.purge(integer, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.purge(integer, boolean) to service_role;
